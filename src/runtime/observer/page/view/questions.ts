// What is asked before something is done: whether to kill, and what to send. The dialog is always in the page; main.ts opens and closes
// it as the state says.
import { html, nothing } from 'lit-html';
import { MESSAGE_MAX } from '../limits.ts';
import type { Question, State } from '../state.ts';
import type { Actions, View } from './types.ts';

/** The dialog. */
export function questionView({ question }: State, actions: Actions): View {
  const close = (): void => actions.send({ type: 'question_closed' });
  return html`<dialog
    id="question"
    aria-labelledby="question-title"
    @cancel=${(event: Event) => {
      event.preventDefault();
      close();
    }}
    @keydown=${(event: KeyboardEvent) => event.stopPropagation()}
    @click=${(event: Event) => {
      if (event.target === event.currentTarget) close(); // outside, on the backdrop
    }}
  >
    ${question === undefined ? nothing : question.kind === 'kill' ? killForm(question, actions, close) : sendForm(question, actions, close)}
  </dialog>`;
}

function killForm({ target, title }: Question, { act }: Actions, close: () => void): View {
  return html`<form
    class="dialog"
    method="dialog"
    @submit=${(event: Event) => {
      event.preventDefault();
      act({ kind: 'exit', target, reason: 'kill' });
    }}
  >
    <h2 id="question-title">Kill this process?</h2>
    <p>
      <b>${title}</b> <code>${target}</code> ends at once, whatever it is at. What is linked to it may end
      with it.
    </p>
    <div class="buttons">
      <button type="button" autofocus @click=${close}>Let it live</button>
      <button type="submit" class="danger">Kill</button>
    </div>
  </form>`;
}

function sendForm({ target, title }: Question, { act }: Actions, close: () => void): View {
  return html`<form
    class="dialog"
    method="dialog"
    @submit=${(event: Event) => {
      event.preventDefault();
      const field = messageField(event);
      act({ kind: 'send', target, message: field.value });
    }}
  >
    <h2 id="question-title">Send a message</h2>
    <p>To <b>${title}</b> <code>${target}</code>.</p>
    <label for="message">Message, as JSON</label>
    <textarea
      id="message"
      name="message"
      rows="5"
      maxlength=${MESSAGE_MAX}
      required
      autofocus
      spellcheck="false"
      placeholder='{"hello": "world"}'
      @input=${(event: Event) => checkJson(event.currentTarget as HTMLTextAreaElement)}
    ></textarea>
    <div class="buttons">
      <button type="button" @click=${close}>Cancel</button>
      <button type="submit" class="main">Send</button>
    </div>
  </form>`;
}

function messageField(event: Event): HTMLTextAreaElement {
  return (event.currentTarget as HTMLFormElement).elements.namedItem('message') as HTMLTextAreaElement;
}

/** Has the browser refuse what is not JSON, with the reason. */
function checkJson(field: HTMLTextAreaElement): void {
  try {
    JSON.parse(field.value);
    field.setCustomValidity('');
  } catch (error) {
    field.setCustomValidity(`This is not JSON: ${(error as Error).message}`);
  }
}
