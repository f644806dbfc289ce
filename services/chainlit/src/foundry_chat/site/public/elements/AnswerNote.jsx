// The note under an answer: state while waiting, facts when finished, what went wrong.
// Filled by foundry_chat/writer.py.

export default function AnswerNote() {
  const { status, facts, notes = [], problem, remedy, download } = props
  const code = (text) =>
    text.split('`').map((part, i) => (i % 2 ? <code key={i}>{part}</code> : part))
  return (
    <div className="answer-note">
      {status && (
        <div className="answer-note-status" role="status">
          <span className="loading-cursor inline-block" aria-hidden="true" />
          <span>{status}</span>
        </div>
      )}
      {problem && (
        <div className="answer-note-problem" role="alert">
          <strong>{code(problem)}</strong>
          {remedy && <span>{code(remedy)}</span>}
        </div>
      )}
      {(facts || notes.length > 0) && (
        <div className="answer-note-facts">{[facts, ...notes].filter(Boolean).join(' · ')}</div>
      )}
      {download && (
        <div className="answer-note-download" role="status">
          <span>{download.text}</span>
          {typeof download.percent === 'number' && (
            <progress max="100" value={download.percent} />
          )}
        </div>
      )}
    </div>
  )
}
