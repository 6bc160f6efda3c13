// data-passkey: a form that is filled with a browser's answer about a passkey. Its
// data-options are what the browser is asked for. It shows itself where the browser has
// passkeys, and says what went wrong where one was not used.

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));

function text(buffer) {
  const list = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte));
  return btoa(list.join('')).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}

// Bytes are base64url in JSON. Not all browsers that have passkeys read and write that
// themselves.
function readOptions(json) {
  const options = JSON.parse(json);
  options.challenge = bytes(options.challenge);
  if (options.user) options.user.id = bytes(options.user.id);
  for (const list of [options.allowCredentials, options.excludeCredentials]) {
    list?.forEach((credential) => { credential.id = bytes(credential.id); });
  }
  return options;
}

function writeAnswer(credential) {
  const { response } = credential;
  const written = { transports: response.getTransports?.() };
  for (const name of ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle']) {
    if (response[name]) written[name] = text(response[name]);
  }
  return JSON.stringify({
    id: credential.id, rawId: text(credential.rawId), type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment ?? undefined, clientExtensionResults: {}, response: written,
  });
}

// What the browser's refusals mean to people. A dialog that was closed and one that nobody
// answered in time are the same to pages, so that sites cannot tell who has a passkey.
const meanings = { NotAllowedError: 'cancelled', InvalidStateError: 'known', SecurityError: 'address', NotSupportedError: 'unsupported' };

function passkey(form) {
  const button = form.querySelector('[data-start]');
  const said = form.querySelector('[data-said]');
  const create = form.dataset.passkey === 'create';
  const say = (what) => {
    said.textContent = what ? form.dataset[what] : '';
    said.hidden = !what;
  };
  form.hidden = false;
  if (!window.PublicKeyCredential) {
    form.querySelector('.check')?.remove();
    if (!('second' in form.dataset)) say('unsupported');
    return;
  }
  let waiting;
  const ask = (more) => {
    waiting?.abort();
    waiting = new AbortController();
    const asked = { publicKey: readOptions(form.dataset.options), signal: waiting.signal, ...more };
    return create ? navigator.credentials.create(asked) : navigator.credentials.get(asked);
  };
  const send = (credential) => {
    form.elements.credential.value = writeAnswer(credential);
    const keep = document.querySelector('input[type=checkbox][name=keep]');
    if (keep?.checked && form.elements.keep) form.elements.keep.value = keep.value;
    form.requestSubmit();
  };
  // The browser waits with it until somebody picks a passkey in the email field. A click
  // that comes before it waits goes first.
  let clicks = 0;
  const suggest = async () => {
    const before = clicks;
    try {
      if (!await PublicKeyCredential.isConditionalMediationAvailable?.() || clicks !== before) return;
      send(await ask({ mediation: 'conditional' }));
    } catch {
      // Nobody picked one: the button is there, and so is the password.
    }
  };
  button.addEventListener('click', async () => {
    if (button.disabled || form.dataset.sent) return;
    say('');
    clicks += 1;
    button.disabled = true;
    try {
      send(await ask());
    } catch (error) {
      if (error.name !== 'AbortError') say(meanings[error.name] ?? 'failed');
      if ('suggest' in form.dataset) suggest();
    }
    button.disabled = false;
  });
  button.hidden = false;
  if ('suggest' in form.dataset) suggest();
}

document.querySelectorAll('form[data-passkey]').forEach(passkey);
