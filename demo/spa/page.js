/** The element of the page with that id. */
export const at = (id) => document.getElementById(id);

/** An element with a class and text. */
export function element(name, className, text) {
  const created = document.createElement(name);
  created.className = className;
  created.textContent = text;
  return created;
}

/** A token's fingerprint beside its colour. */
export const chip = ({ fingerprint, colour }) => element('code', `chip token-${colour}`, fingerprint);

/** A status code, coloured by whether it is a success. */
export const mark = (status) =>
  element('strong', status >= 200 && status < 300 ? 'good' : 'bad', status || 'no response');

/** Runs something at a click, and tells when it goes wrong. */
export function onClick(button, act) {
  const run = async () => {
    try {
      await act();
    } catch (error) {
      notify(`That failed. ${error.message}`, 'Try again', run);
    }
  };
  button.addEventListener('click', () => void run());
}

/** Tells something across the top of the page, with one thing to do about it and, where useful, what is behind it. */
export function notify(sentence, action, act, ...background) {
  const button = element('button', 'button small', action);
  button.addEventListener('click', () => {
    at('notice').hidden = true;
    void act();
  });
  const told = element('span', '', sentence);
  if (background.length > 0) {
    const small = element('small', '', '');
    small.append(...background);
    told.append(small);
  }
  at('notice').replaceChildren(told, button);
  at('notice').hidden = false;
}
