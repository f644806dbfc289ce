// Asks /api/status every few seconds and draws what it says. Nothing on the page comes from
// anywhere else, and all of it is written as text: what a probed program answered is never markup.

const ASK_EVERY = 5_000;
const ASK_AGAIN = 2_000;
const GIVE_UP_AFTER = 10_000;
/** One missed answer is a hiccup, two are news. */
const FAILURES_UNTIL_GONE = 2;
const HISTORY = 100;
const SVG = "http://www.w3.org/2000/svg";

/** The probe's closed set, in a person's words. */
const REASONS = {
  name_not_resolved: "its name does not resolve",
  refused: "the connection is refused",
  timed_out: "no answer in time",
  unreachable: "cannot be reached",
  not_foundry: "something else answers there",
  tls_failed: "no secure connection",
  http_error: "it answers with an error",
  bad_answer: "it answers nonsense",
  no_models: "it offers no model",
  no_model_loaded: "no model is loaded",
  model_missing: "the model is missing",
  stream_broken: "the answer broke off",
  no_answer: "an empty answer",
  overloaded: "too much to do",
  unauthorized: "the key is refused",
  handshake_failed: "its live line does not open",
  not_ready: "not ready",
  not_recording: "it records nothing",
  storage_failed: "it cannot write to its disk",
  users_first: "skipped: users come first",
  model_not_loaded: "skipped: a question would load the model",
  disabled: "switched off",
  other: "it does not work",
};

const GONE_REMEDY =
  "Look whether it runs with `docker compose ps healthcheck`; `docker compose logs --tail 20 " +
  "healthcheck` says why not, `docker compose up -d healthcheck` starts it. This page asks again " +
  "by itself.";

const $ = (/** @type {string} */ id) => document.getElementById(id);

// ---- Words and figures ----------------------------------------------------------------------

/** Seconds as a person says them: 4 ms, 1.24 s, 3 min, 2 h 5 min. */
function duration(seconds) {
  if (seconds < 0.0095) return `${(seconds * 1000).toFixed(1)}\u00a0ms`;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)}\u00a0ms`;
  if (seconds < 9.995) return `${seconds.toFixed(2)}\u00a0s`;
  if (seconds < 60) return `${Math.floor(seconds)}\u00a0s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}\u00a0min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}\u00a0h${minutes % 60 ? ` ${minutes % 60}\u00a0min` : ""}`;
  return `${Math.floor(hours / 24)}\u00a0days`;
}

/** The same, for a time that passes while one looks. */
function elapsed(seconds) {
  return seconds < 60 ? `${Math.floor(seconds)}\u00a0s` : duration(seconds);
}

/** Three digits are what a wall can read. */
function figure(number) {
  return number >= 100 ? Math.round(number).toLocaleString() : number.toPrecision(number < 10 ? 2 : 3);
}

function megabytes(bytes) {
  const mega = bytes / 2 ** 20;
  return mega < 1024 ? `${Math.round(mega)}\u00a0MiB` : `${(mega / 1024).toFixed(1)}\u00a0GiB`;
}

function clock(iso) {
  const then = new Date(iso);
  const sameDay = then.toDateString() === new Date().toDateString();
  const time = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
  return then.toLocaleString([], sameDay ? time : { ...time, day: "numeric", month: "short" });
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

function percent(part, whole) {
  // 99.6 % is not 100 %.
  return `${part === whole ? 100 : Math.min(99, Math.floor((100 * part) / whole))}\u00a0%`;
}

/** A late answer is one too. */
const answered = (probe) => probe.outcome === "up" || probe.outcome === "slow";
/** What says whether it works; one that is starting has yet to. */
const judged = (probe) => answered(probe) || probe.outcome === "down";
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
const reasonWords = (reason) => REASONS[reason] ?? String(reason ?? "").replaceAll("_", " ");
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// ---- Drawing --------------------------------------------------------------------------------

function make(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function draw(name, attributes, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  node.append(...children);
  return node;
}

/** Leaves the page alone where nothing changed, so that a selection or a screen reader stays put. */
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const lastDrawn = new WeakMap();

/** Draws `node` anew only when `data` is not what it shows already. */
function redraw(node, data, drawing) {
  const key = JSON.stringify(data);
  if (lastDrawn.get(node) === key) return;
  lastDrawn.set(node, key);
  drawing(node);
}

function clone(template) {
  return $(template).content.firstElementChild.cloneNode(true);
}

function icon(state) {
  if (state === "slow") return "#icon-degraded";
  const known = ["up", "down", "skipped", "degraded", "gone"];
  return `#icon-${known.includes(state) ? state : "unknown"}`;
}

/** A text whose commands stand in backticks, as nodes. */
function withCommands(text) {
  return text.split("\n").filter(Boolean).map((line) => make("p", {}, ...line.split("`").map(
    (piece, index) => (index % 2 ? make("code", {}, piece) : piece))));
}

/** A time that counts on by itself. `form` is "ago" or "for". */
function counting(iso, form) {
  const node = make("time", { datetime: iso, title: clock(iso), "data-form": form });
  count(node);
  return node;
}

function count(node) {
  const seconds = Math.max(0, (serverNow() - Date.parse(node.getAttribute("datetime"))) / 1000);
  say(node, node.dataset.form === "ago" ? `${elapsed(seconds)} ago` : elapsed(seconds));
}

function strip(node, part) {
  const history = part.history.slice(-HISTORY);
  const counted = { up: 0, slow: 0, down: 0, skipped: 0, starting: 0 };
  for (const probe of history) counted[probe.outcome] += 1;
  const failure = history.findLast((probe) => probe.outcome === "down");
  const words = [
    `The last ${plural(history.length, "probe")}: ${counted.up} answered, ` +
      `${counted.slow ? `${counted.slow} slowly, ` : ""}${counted.down} failed, ${counted.skipped} skipped` +
      `${counted.starting ? `, ${counted.starting} before it had started` : ""}.`,
    failure ? `The latest failure was at ${clock(failure.at)}: ${reasonWords(failure.reason)}.` : "",
  ];
  node.setAttribute("aria-label", words.join(" ").trim());
  const first = HISTORY - history.length;
  const empty = Array.from({ length: first }, (_, index) =>
    draw("rect", { class: "tick-empty", x: index * 4 + 0.5, y: 22.5, width: 3, height: 1.5 }));
  node.replaceChildren(...empty, ...history.map((probe, index) => {
    const told = answered(probe) ? `${probe.outcome === "slow" ? "slow, " : ""}${duration(probe.duration_seconds)}`
      : probe.outcome === "starting" ? "still starting" : reasonWords(probe.reason);
    const x = (first + index) * 4;
    return draw("g", {}, draw("title", {}, `${clock(probe.at)}: ${told}`),
      // The whole height answers to the pointer.
      draw("rect", { x, y: 0, width: 4, height: 24, fill: "transparent" }),
      draw("use", { href: `#tick-${probe.outcome === "starting" ? "skipped" : probe.outcome}`, x, width: 4, height: 24 }));
  }));
}

/** A line of the values of what answered, with gaps where nothing did. */
function sparkline(node, values, label) {
  node.setAttribute("aria-label", label);
  node.setAttribute("viewBox", "0 0 100 30");
  node.setAttribute("preserveAspectRatio", "none");
  const most = Math.max(...values.filter((value) => value !== null)) || 1;
  const step = 98 / (HISTORY - 1);
  const x = (index) => 1 + (HISTORY - values.length + index) * step;
  const y = (value) => 28 - (24 * value) / most;
  const runs = [];
  values.forEach((value, index) => {
    if (value === null) return;
    const point = `${x(index).toFixed(2)} ${y(value).toFixed(2)}`;
    const follows = index > 0 && values[index - 1] !== null;
    if (follows) runs.at(-1).push(point);
    else runs.push([point]);
  });
  const lines = runs.flatMap((points) => {
    const from = points[0].split(" ")[0];
    const to = points.at(-1).split(" ")[0];
    return [
      draw("path", { class: "area", d: `M${from} 30L${points.join("L")}L${to} 30z` }),
      draw("path", { class: "line", d: `M${points.join("L")}h0` }),
    ];
  });
  const newest = values.length > 0 && values.at(-1) !== null ? runs.at(-1).at(-1) : null;
  node.replaceChildren(...lines, ...(newest ? [draw("path", { class: "dot", d: `M${newest}h0` })] : []));
}

function valuesOf(part, field) {
  return part.history.slice(-HISTORY).map((probe) =>
    answered(probe) && typeof probe[field] === "number" ? probe[field] : null);
}

function latencyWords(name, known) {
  return known.length === 0 ? `${name}: nothing measured yet.`
    : `${name} of the last ${known.length}: usually ${duration(median(known))}, at most ${duration(Math.max(...known))}.`;
}

// ---- The page, from top to bottom -----------------------------------------------------------

const HEADLINES = { up: "All is well", down: "The chat does not work", starting: "Finding out how it is" };

function headline(status, wrong, slow, alerts) {
  if (status === "degraded" && wrong.length > 0) {
    return wrong.length === 1 ? `${wrong[0].title}: not working` : `${plural(wrong.length, "part")} not working`;
  }
  if (status === "degraded" && slow.length > 0) return "Answers are slow";
  if (status === "degraded" && alerts.length > 0) {
    return alerts.length === 1 ? "An alert fires" : `${plural(alerts.length, "alert")} fire`;
  }
  return HEADLINES[status] ?? "Something needs attention";
}

function showState(state, title, summary) {
  document.body.dataset.state = state;
  $("hero-icon").setAttribute("href", icon(state));
  say($("headline"), title);
  say($("summary"), summary);
  const sign = { up: "\u2713", degraded: "\u25b2", down: "\u2717", gone: "?" }[state] ?? "\u2026";
  document.title = `${sign} ${title} \u00b7 Foundry Chat`;
  // After the stylesheet has the new state's colour.
  const colour = getComputedStyle($("hero-icon")).color;
  const picture = draw("svg", { viewBox: "0 0 24 24", color: colour });
  for (const shape of document.querySelector(icon(state)).children) {
    const copy = shape.cloneNode(true);
    if (shape.classList.contains("glyph")) copy.setAttribute("stroke", getComputedStyle(shape).stroke);
    picture.append(copy);
  }
  const source = new XMLSerializer().serializeToString(picture);
  const link = document.querySelector("link[rel=icon]");
  const address = `data:image/svg+xml,${encodeURIComponent(source)}`;
  if (link.getAttribute("href") !== address) link.setAttribute("href", address);
}

function announce(text) {
  say($("announcer"), text);
}

function showFigures(chat) {
  $("figures").hidden = !chat;
  if (!chat) return;
  const history = chat.history.slice(-HISTORY);
  const firsts = valuesOf(chat, "value");
  const known = firsts.filter((value) => value !== null);
  const facts = chat.facts ?? {};
  const current = chat.state === "up" || chat.state === "slow";
  $("figures").classList.toggle("past-figures", !current);
  const first = current && typeof facts.time_to_first_chunk_seconds === "number"
    ? facts.time_to_first_chunk_seconds : known.at(-1);
  showValue($("first-value"), first === undefined ? null : duration(first));
  redraw($("first-spark"), firsts, (node) => sparkline(node, firsts, latencyWords("Time to first token", known)));
  const usual = known.length ? `usually ${duration(median(known))}, at most ${duration(Math.max(...known))}` : "not measured yet";
  say($("first-note"), current || !known.length ? usual : `when it last answered; ${usual}`);
  const speed = facts.chunks_per_second;
  showValue($("speed-value"), typeof speed === "number" ? figure(speed) : null);
  const model = typeof facts.model === "string" ? facts.model : "";
  const tokens = typeof facts.tokens === "number" ? plural(facts.tokens, "token") : "";
  say($("speed-note"), [tokens, model && `from ${model}`].filter(Boolean).join(" ") || (known.length ? "not known now" : "not measured yet"));
  const asked = history.filter(judged);
  const came = asked.filter(answered).length;
  showValue($("answered-value"), asked.length ? percent(came, asked.length) : null);
  say($("answered-note"), asked.length ? `${came} of the last ${asked.length}` : "none asked yet");
}

/** The number large, its unit small. */
function showValue(node, text) {
  redraw(node, text, () => {
    const [number, ...unit] = (text ?? "\u2014").split("\u00a0");
    node.replaceChildren(number, ...(unit.length ? [make("small", {}, `\u00a0${unit.join(" ")}`)] : []));
  });
}

/**
 * Parts that want the same thing done share one card: usually they share the cause. A chat that
 * fails for the reason for which Foundry Local does is one with it, though each has its own words.
 */
function showProblems(wrong, slow, alerts, notKnown, containers) {
  const groups = new Map();
  for (const part of wrong) {
    const cause = part.module !== "chat" ? part
      : wrong.find((other) => other.module === "foundry" && other.reason === part.reason) ?? part;
    const key = cause.remedy ?? cause.name;
    groups.set(key, new Set([...(cause === part ? [] : [cause]), ...(groups.get(key) ?? []), part]));
  }
  const cards = [...groups.values()].map((group) => [...group]).map((parts) => ({
    title: parts.map((part) => part.title).join(", "),
    why: [...new Set(parts.map((part) => reasonWords(part.reason)))].join("; "),
    since: parts.map((part) => part.since).filter(Boolean).sort()[0] ?? null,
    messages: [...new Set(parts.map((part) => part.message).filter(Boolean))],
    remedy: parts[0].remedy ?? "Look at what it said last: `docker compose logs --tail 50`.",
  }));
  cards.push(...slow.map((part) => ({
    title: part.title, why: "slow", since: part.since, messages: [part.message].filter(Boolean), remedy: part.remedy,
    mild: true,
  })), ...alerts.map((alert) => ({
    title: alert.summary, why: "an alert fires", since: alert.since, messages: [alert.description].filter(Boolean),
    remedy: alert.remedy || "Look at its rule, on Prometheus' page of alerts.", runbook: alert.runbook,
    mild: alert.severity !== "page",
  })));
  if (notKnown) {
    cards.push({
      title: "Alerts", why: "not known", since: null, messages: [notKnown], mild: true,
      remedy: "Its log says why: `docker compose logs --tail 50 prometheus`.",
    });
  }
  cards.push(...containers.map((item) => ({
    title: `The container of ${item.service}`, why: item.trouble, since: null, messages: [], mild: true,
    remedy: `Its log says why: \`docker compose logs --tail 50 ${item.service}\`.`,
  })));
  $("problems").hidden = cards.length === 0;
  redraw($("problem-list"), cards, (node) => node.replaceChildren(...cards.map(problemCard)));
}

function problemCard(card) {
  const node = clone("problem");
  node.classList.toggle("mild", Boolean(card.mild));
  if (card.mild) node.querySelector("use").setAttribute("href", icon("degraded"));
  node.querySelector("h3").append(card.title);
  const since = card.since ? [" \u00b7 for ", counting(card.since, "for")] : [];
  node.querySelector(".why").append(capital(card.why), ...since);
  node.querySelector(".message").append(...card.messages.flatMap(withCommands));
  node.querySelector(".remedy").append(...withCommands(card.remedy));
  if (card.runbook) {
    node.querySelector(".remedy").append(make("p", {}, make("a", { href: card.runbook }, "What this alert means")));
  }
  return node;
}

/** @type {Map<string, Element>} */
const rows = new Map();

function showParts(parts) {
  $("parts").hidden = parts.length === 0;
  for (const [name, row] of rows) {
    if (!parts.some((part) => part.name === name)) {
      row.remove();
      rows.delete(name);
    }
  }
  for (const part of parts) {
    const row = rows.get(part.name) ?? clone("part");
    rows.set(part.name, row);
    showPart(row, part);
  }
  const order = parts.map((part) => rows.get(part.name));
  if (order.some((row, index) => $("part-list").children[index] !== row)) $("part-list").append(...order);
}

function showPart(row, part) {
  row.dataset.state = part.state;
  row.querySelector(".icon use").setAttribute("href", icon(part.state));
  say(row.querySelector("h3"), part.title);
  redraw(row.querySelector(".state"), [part.state, part.since, part.reason, lateness(part) !== null], (node) =>
    node.replaceChildren(...stateWords(part)));
  redraw(row.querySelector(".strip"), [part.history.length, part.history.at(-1)], (node) => strip(node, part));
  const history = part.history.slice(-HISTORY);
  const asked = history.filter(judged);
  const came = asked.filter(answered).length;
  redraw(row.querySelector(".from"), history[0]?.at, (node) => node.replaceChildren(
    ...(history.length ? [counting(history[0].at, "ago")] : ["no probe yet"])));
  // Below the oldest, as far as there is room for the words at the other end.
  row.querySelector(".from").style.marginInlineStart = `${Math.min(45, HISTORY - history.length)}%`;
  say(row.querySelector(".share"), asked.length ? `${percent(came, asked.length)} of ${asked.length} answered` : "");
  const values = valuesOf(part, "duration_seconds");
  const known = values.filter((value) => value !== null);
  redraw(row.querySelector(".spark"), values, (node) => sparkline(node, values, latencyWords("Time of a probe", known)));
  say(row.querySelector(".now"), ["up", "slow"].includes(part.state) && typeof part.duration_seconds === "number" ? duration(part.duration_seconds) : "\u2014");
  say(row.querySelector(".usual"), known.length ? `usually ${duration(median(known))}` : "");
  say(row.querySelector(".of"), ` of ${part.title}`);
  showDetails(row, part);
}

function stateWords(part) {
  const late = lateness(part);
  if (late !== null) return ["Not asked since ", counting(part.last_run, "ago"), ": the probe is late"];
  const since = part.since ? [" for ", counting(part.since, "for")] : [];
  if (part.state === "up") return ["Up", ...since];
  if (part.state === "down") return ["Down", ...since, `: ${reasonWords(part.reason)}`];
  if (part.state === "slow") return ["Slow", ...since, ": it answers, but late"];
  if (part.state === "starting") return ["Starting: it has not answered yet"];
  if (part.state === "skipped") return [capital(reasonWords(part.reason) || "skipped")];
  return ["Not asked yet"];
}

/** Seconds since the last probe where that is far longer than between those before; else null. */
function lateness(part) {
  if (!part.last_run || part.reason === "disabled") return null;
  const times = part.history.map((probe) => Date.parse(probe.at));
  const gaps = times.slice(1).map((time, index) => (time - times[index]) / 1000);
  const allowed = Math.max(180, 4 * (gaps.length ? median(gaps) : 0));
  const since = (serverNow() - Date.parse(part.last_run)) / 1000;
  return since > allowed && !newsIsOld() ? since : null;
}

function showDetails(row, part) {
  const facts = [
    // What is down stands above, with its reason and remedy.
    ["Why", part.state === "down" ? null : part.message],
    ["What to do", part.state === "down" ? null : part.remedy?.replaceAll("`", "")],
    ["Asked at", part.target], ["With the probe", part.module],
    ["Last asked", part.last_run && clock(part.last_run)],
    ["Last answered", part.last_success ? clock(part.last_success) : "never"],
    ...Object.entries(part.facts ?? {}).map(([name, value]) => [factName(name), factValue(name, value)]),
  ].filter(([, value]) => value !== null && value !== undefined && value !== "");
  redraw(row.querySelector(".facts"), facts, (node) => node.replaceChildren(...facts.map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, String(value))))));
  const failures = part.history.filter((probe) => probe.outcome === "down").slice(-8).reverse();
  row.querySelector("h4").hidden = failures.length === 0;
  redraw(row.querySelector(".failures"), failures, (node) => node.replaceChildren(...failures.map((probe) =>
    make("li", {}, `${clock(probe.at)}: ${reasonWords(probe.reason)}, after ${duration(probe.duration_seconds ?? 0)}`))));
}

function factName(name) {
  return capital(name.replace(/_(seconds|bytes)$/, "").replaceAll("_", " "));
}

function factValue(name, value) {
  if (typeof value !== "number") return value;
  if (name.endsWith("_seconds")) return duration(value);
  if (name.endsWith("_bytes")) return megabytes(value);
  if (name.endsWith("_port")) return value;
  return Number.isInteger(value) ? value.toLocaleString() : figure(value);
}

function showContainers(containers) {
  $("containers").hidden = !containers?.enabled;
  if (!containers?.enabled) return;
  $("containers-error").hidden = !containers.error;
  redraw($("containers-error"), containers.error, (node) =>
    node.replaceChildren(...(containers.error ? withCommands(containers.error) : [])));
  const items = containers.items ?? [];
  redraw($("container-list"), items, (node) => node.replaceChildren(...items.map(containerCard)));
}

function containerCard(item) {
  const node = clone("container");
  const well = item.running && item.health !== "unhealthy";
  const state = item.state === "finished" ? "skipped" : item.health === "starting" ? "unknown" : well ? "up" : "down";
  node.dataset.state = state;
  node.querySelector("use").setAttribute("href", icon(state));
  node.querySelector("b").append(item.service);
  const exit = item.exit_code ? ` after exit code ${item.exit_code}` : "";
  const again = item.restarts ? `, restarted ${item.restarts === 1 ? "once" : `${item.restarts} times`}` : "";
  const health = item.running && item.health && item.health !== "healthy" ? `, ${item.health}` : "";
  node.querySelector(".state").append(capital(`${item.state}${exit}${health}${again}`));
  const used = item.memory_bytes;
  const limit = item.memory_limit_bytes;
  const measured = typeof used === "number" && typeof limit === "number" && limit > 0;
  node.querySelector(".memory").toggleAttribute("hidden", !measured);
  if (measured) {
    const share = Math.min(1, used / limit);
    node.querySelector(".used").setAttribute("width", (share * 100).toFixed(1));
    node.classList.toggle("nearly-full", share > 0.9);
    node.querySelector(".note").append(`${megabytes(used)} of ${megabytes(limit)}${share > 0.9 ? ": nearly full" : ""}`);
  }
  return node;
}

// ---- News, and its absence ------------------------------------------------------------------

/** The latest answer, and when it came by this page's own clock. */
let latest = null;
let receivedAt = 0;
let failures = 0;
let spoken = "";

/** The probe's clock: the viewer's may be wrong. */
function serverNow() {
  return latest ? Date.parse(latest.now) + (performance.now() - receivedAt) : Date.now();
}

const newsIsOld = () => failures >= FAILURES_UNTIL_GONE;

function show(status) {
  latest = status;
  receivedAt = performance.now();
  failures = 0;
  const wrong = status.parts.filter((part) => part.state === "down");
  const slow = status.parts.filter((part) => part.state === "slow");
  const alerts = (status.alerts?.items ?? []).filter((alert) => !alert.told);
  const title = headline(status.status, wrong, slow, alerts);
  showState(status.status, title, status.summary ?? "");
  redraw($("news"), status.now, (node) => node.replaceChildren("As of ", counting(status.now, "ago")));
  showFigures(status.parts.find((part) => part.module === "chat"));
  const notKnown = status.alerts?.told === false ? status.alerts.error : null;
  showProblems(wrong, slow, alerts, notKnown, (status.containers?.items ?? []).filter((item) => item.trouble));
  showParts(status.parts);
  showContainers(status.containers);
  redraw($("about"), [status.version, status.started], (node) => node.replaceChildren(
    `Health probe ${status.version ?? ""}, watching for `, ...(status.started ? [counting(status.started, "for")] : [])));
  const state = [status.status, ...wrong.map((part) => `${part.name} ${part.reason}`),
    ...slow.map((part) => part.name), ...alerts.map((alert) => alert.name)].join();
  if (state !== spoken) announce([title, status.summary].filter(Boolean).join(". "));
  spoken = state;
}

function showGone(why) {
  const last = latest
    ? `Its last word came at ${clock(latest.now)}: ${latest.summary ?? latest.status} What stands below is as old as that.`
    : "It has not answered since this page was opened.";
  showState("gone", "No news from the health probe", last);
  redraw($("news"), ["gone", latest?.now], (node) => node.replaceChildren(
    ...(latest ? ["Last heard ", counting(latest.now, "ago")] : [])));
  const card = { title: "The health probe", why, since: null, messages: [], remedy: GONE_REMEDY };
  $("problems").hidden = false;
  redraw($("problem-list"), card, (node) => node.replaceChildren(problemCard(card)));
  if (spoken !== "gone") announce(`No news from the health probe. ${last}`);
  spoken = "gone";
}

async function ask() {
  const answer = await fetch("/api/status", { cache: "no-store", signal: AbortSignal.timeout(GIVE_UP_AFTER) });
  if (!answer.ok) throw new Error(`it is not there: what stands in front of it answers ${answer.status}`);
  const status = await answer.json();
  if (!Array.isArray(status?.parts)) throw new Error("what answers in its place is not the probe");
  return status;
}

function whyNoNews(error) {
  if (error.name === "TimeoutError") return `no answer within ${GIVE_UP_AFTER / 1000} s`;
  if (error instanceof TypeError) return "it does not answer";
  return error instanceof SyntaxError ? "what answers in its place is not the probe" : error.message;
}

let timer = 0;
let asking = false;

async function round() {
  if (asking) return;
  asking = true;
  clearTimeout(timer);
  const [status, problem] = await ask().then((answer) => [answer, null], (error) => [null, error]);
  asking = false;
  timer = setTimeout(round, problem ? ASK_AGAIN : ASK_EVERY);
  if (status) return show(status);
  failures += 1;
  if (newsIsOld()) showGone(whyNoNews(problem));
}

setInterval(() => document.querySelectorAll("time[data-form]").forEach(count), 1_000);
// A tab that comes to the front again shows what is so now.
document.addEventListener("visibilitychange", () => document.hidden || round());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => latest && round());
round();
