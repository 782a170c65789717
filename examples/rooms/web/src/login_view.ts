/** The form to log in. */

import { login, RequestFailed, type Person } from "./api";
import { find } from "./dom";
import { hideProblem, showProblem } from "./notices";

const form = find(document, "#login", HTMLFormElement);
const name = find(form, "[name=name]", HTMLInputElement);
const password = find(form, "[name=password]", HTMLInputElement);

/** Show the form until somebody has logged in. *knownName* is who was logged in before. */
export function askForLogin(knownName: string, loggedIn: (person: Person) => void): void {
  name.value = knownName;
  form.hidden = false;
  (knownName === "" ? name : password).focus();
  form.onsubmit = async (event) => {
    event.preventDefault();
    hideProblem();
    try {
      const person = await login(name.value, password.value);
      form.hidden = true;
      loggedIn(person);
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      showProblem(error.message);
    } finally {
      password.value = "";
    }
  };
}
