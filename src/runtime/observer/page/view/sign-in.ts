// What stands in place of everything while the server wants a token.
import { html, nothing } from 'lit-html';
import type { State } from '../state.ts';
import type { Actions, View } from './types.ts';

/** The form. */
export function signInView({ access }: State, { signIn }: Actions): View {
  return html`<main class="sign-in">
    <form
      aria-labelledby="sign-in-title"
      @submit=${(event: Event) => {
        event.preventDefault();
        const form = event.currentTarget as HTMLFormElement;
        const field = form.elements.namedItem('token') as HTMLInputElement;
        signIn(field.value);
        field.value = '';
      }}
    >
      <h1 id="sign-in-title">Observer</h1>
      <p class="soft">This node lets in who has its token, the value of <code>OBSERVER_TOKEN</code>.</p>
      <label for="token">Token</label>
      <input
        id="token"
        name="token"
        type="password"
        autocomplete="current-password"
        required
        aria-invalid=${access.problem === undefined ? nothing : 'true'}
        aria-describedby=${access.problem === undefined ? nothing : 'token-problem'}
      />
      ${
        access.problem === undefined
          ? nothing
          : html`<p class="problem" id="token-problem" role="alert">${access.problem}</p>`
      }
      <button type="submit" class="main">${access.checking ? 'Checking…' : 'Sign in'}</button>
    </form>
  </main>`;
}
