// What each allowed path asks of Docker, and which fields of the answer it passes on.
// Runs inside nginx (njs); see nginx.conf for what is refused before this file is reached.

const PROJECT = 'com.docker.compose.project';
const SERVICE = 'com.docker.compose.service';
const ONE_OFF = 'com.docker.compose.oneoff';
// Docker keeps the latest 256 events only, so a longer window would not tell more.
const EVENT_WINDOW_SECONDS = 600;

async function ping(r) {
  // Docker's own word for this: plain "OK".
  await answer(r, '/_ping', {}, () => 'OK');
}

async function version(r) {
  await answer(r, '/version', {}, (docker) => pick(docker, ['Version', 'ApiVersion']));
}

async function containers(r) {
  await answer(r, '/containers/json', { all: 1, filters: ours() }, (docker) => docker.map(container));
}

async function events(r) {
  const now = Math.floor(Date.now() / 1000);
  const filters = Object.assign(ours(), { type: ['container'], event: ['start', 'die', 'oom'] });
  // With `until` Docker ends its answer at once instead of waiting for what happens next.
  const query = { since: now - EVENT_WINDOW_SECONDS, until: now, filters: filters };
  await answer(r, '/events', query, (lines) => lines.map(event));
}

async function stats(r) {
  const id = r.variables.container_id;
  const filters = Object.assign(ours(), { id: [id] });
  const found = await ask(r, '/containers/json', { all: 1, filters: filters });
  if (found.status === 200 && !found.body.some((each) => each.Id === id)) {
    return send(r, 404, { message: 'No container of this project has this id.' });
  }
  const once = { stream: false, 'one-shot': true };
  await answer(r, `/containers/${id}/stats`, once, measured);
}

// ---- What is passed on --------------------------------------------------------------------------

function container(docker) {
  return Object.assign(pick(docker, ['Id', 'State', 'Status']), { Labels: labels(docker.Labels) });
}

function event(docker) {
  const about = docker.Actor.Attributes;
  return Object.assign(pick(docker, ['id', 'Action', 'timeNano']), {
    Labels: labels(about),
    exitCode: about.exitCode,
  });
}

function measured(docker) {
  const memory = docker.memory_stats || {};
  const cache = pick(memory.stats || {}, ['inactive_file', 'total_inactive_file']);
  return {
    cpu_stats: { cpu_usage: pick((docker.cpu_stats || {}).cpu_usage || {}, ['total_usage']) },
    memory_stats: Object.assign(pick(memory, ['usage', 'limit']), { stats: cache }),
    pids_stats: pick(docker.pids_stats || {}, ['current']),
  };
}

function labels(all) {
  return pick(all || {}, [SERVICE]);
}

function pick(from, names) {
  const kept = {};
  names.forEach((name) => {
    if (name in from) {
      kept[name] = from[name];
    }
  });
  return kept;
}

// ---- Asking and answering -----------------------------------------------------------------------

// This project's own containers, without those of `docker compose run`.
function ours() {
  const project = process.env.COMPOSE_PROJECT_NAME;
  if (!project) {
    throw new Error('COMPOSE_PROJECT_NAME is not set');
  }
  return { label: [`${PROJECT}=${project}`, `${ONE_OFF}=False`] };
}

async function ask(r, path, query) {
  const args = Object.keys(query).map((name) => {
    const value = query[name];
    const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
    return `${name}=${encodeURIComponent(text)}`;
  });
  const reply = await r.subrequest(`/docker${path}`, { method: 'GET', args: args.join('&') });
  const text = reply.responseText || '';
  if (reply.status !== 200) {
    return { status: reply.status, body: null };
  }
  if (path === '/_ping') {
    return { status: 200, body: text };
  }
  if (path === '/events') {
    // One JSON document a line.
    return { status: 200, body: text.split('\n').filter(Boolean).map((line) => JSON.parse(line)) };
  }
  return { status: 200, body: JSON.parse(text) };
}

async function answer(r, path, query, show) {
  const reply = await ask(r, path, query);
  if (reply.status === 200) {
    return send(r, 200, show(reply.body));
  }
  if (reply.status === 404) {
    return send(r, 404, { message: 'That container is gone.' });
  }
  if (reply.status === 502 || reply.status === 504) {
    return send(r, 503, {
      message:
        "Docker's socket cannot be opened. Set DOCKER_GID in .env to the number that " +
        '`stat -c %g /var/run/docker.sock` prints, then: docker compose --profile containers up -d docker-view',
    });
  }
  return send(r, 502, { message: `Docker answered ${path} with ${reply.status}.` });
}

function send(r, status, body) {
  const plain = typeof body === 'string';
  r.headersOut['Content-Type'] = plain ? 'text/plain' : 'application/json';
  r.headersOut['Cache-Control'] = 'no-store';
  r.return(status, plain ? body : `${JSON.stringify(body)}\n`);
}

export default { ping, version, containers, events, stats };
