// Comfort for pages that work without it. Each function stands alone and
// looks for its own data attribute.

const each = (selector, run) => document.querySelectorAll(selector).forEach(run);

// A form is sent once. Coming back with the back button makes it usable again,
// and so does a while without an answer.
function sendOnce() {
  const free = (form) => {
    delete form.dataset.sent;
    form.querySelectorAll('[aria-disabled]').forEach((b) => b.removeAttribute('aria-disabled'));
  };
  document.addEventListener('submit', (event) => {
    const form = event.target;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = 'yes';
    event.submitter?.setAttribute('aria-disabled', 'true');
    setTimeout(free, 10000, form);
  });
  addEventListener('pageshow', () => each('form[data-sent]', free));
}

// data-reveal: shows and hides the password with that id.
function reveal(button) {
  const input = document.getElementById(button.dataset.reveal);
  const show = (on) => {
    input.type = on ? 'text' : 'password';
    button.classList.toggle('on', on);
    button.textContent = on ? button.dataset.hide : button.dataset.show;
    button.title = button.textContent;
  };
  button.addEventListener('click', () => {
    show(input.type === 'password');
    input.focus();
  });
  input.form.addEventListener('submit', () => show(false));
  show(false);
  button.hidden = false;
}

// codeDigits finds the one code of so many digits in what was typed or pasted, empty
// where there is none or several. It reads as mfa.CodeDigits does, which has the last
// word: mfa/testdata/typed.json holds both to one table.
function codeDigits(typed, size) {
  if (/(?![\s\u0085])\p{Cc}/u.test(typed)) return '';
  const text = typed
    .replace(/[\r\n\u2028\u2029]/g, '\n')
    .replace(/[\p{Cf}\p{Default_Ignorable_Code_Point}\p{M}]/gu, '')
    .replace(/[^\S\n]|\u0085/g, ' ')
    .replace(/[\p{Pd}\u2212]/gu, '-')
    .replace(/\p{Nd}/gu, (digit) => {
      const nd = (point) => /\p{Nd}/u.test(String.fromCodePoint(point));
      let zero = digit.codePointAt(0);
      while (nd(zero - 1)) zero--;
      return (digit.codePointAt(0) - zero) % 10;
    });
  const found = (text.match(/[0-9](?:[- ]*[0-9])*/g) ?? []).flatMap((run) => {
    const groups = run.split(/[- ]+/);
    return groups.join('').length === size ? [groups.join('')] : groups.filter((g) => g.length === size);
  });
  return found.length === 1 ? found[0] : '';
}

// data-digits: codes of that many digits can be pasted as they come. What is no code
// stays as it was typed, for the server to say what is wrong with it. A code with nothing
// beside it to fill in is sent by itself, as the text beside it says (WCAG 2.2, 3.2.2), a
// moment later: whoever presses Enter as well does it here and not on the next page.
function digits(input) {
  const button = input.form.querySelector('button:not([type])');
  const alone = button && !input.form.querySelector('input:not([type=hidden], [data-digits])');
  if (alone) {
    const hint = document.createElement('p');
    hint.className = 'hint';
    hint.id = input.id + '-hint';
    hint.textContent = input.dataset.hint;
    input.before(hint);
    input.setAttribute('aria-describedby', [input.getAttribute('aria-describedby'), hint.id].filter(Boolean).join(' '));
  }
  let soon;
  input.addEventListener('input', (event) => {
    clearTimeout(soon);
    if (event.isComposing) return;
    const code = codeDigits(input.value, Number(input.dataset.digits));
    if (code && code !== input.value) input.value = code;
    if (code && alone) soon = setTimeout(() => button.disabled || input.form.requestSubmit(button), 500);
  });
}

// data-carry: an address that was typed goes with the person who follows a link, such as to
// the page for a forgotten password. It stays in this tab, and in no address.
function carry(input) {
  try {
    input.value ||= sessionStorage.getItem('email') ?? '';
    sessionStorage.removeItem('email');
    document.addEventListener('click', (event) => {
      if (event.target.closest('a')) sessionStorage.setItem('email', input.value);
    });
  } catch {
    // A browser that keeps nothing for us.
  }
}

// data-countdown: seconds until the form's data-wait button can be used. The
// text is the server's until then. It counts by the clock, because a phone
// that sleeps runs no timers.
function countdown(element) {
  const scope = element.closest('form') ?? document;
  const buttons = [...scope.querySelectorAll('[data-wait]')].filter(
    (b) => scope !== document || !b.form.querySelector('[data-countdown]'));
  const left = element.querySelector('[data-left]');
  const end = Date.now() + element.dataset.countdown * 1000;
  buttons.forEach((b) => { b.disabled = true; });
  const tick = () => {
    const seconds = Math.ceil((end - Date.now()) / 1000);
    if (seconds > 0) {
      left.textContent = clock(seconds);
      return;
    }
    clearInterval(timer);
    buttons.forEach((b) => { b.disabled = false; });
    element.setAttribute('aria-live', 'polite');
    element.textContent = element.dataset.done;
  };
  const timer = setInterval(tick, 500);
  tick();
}

function clock(seconds) {
  const pad = (n) => String(n).padStart(2, '0');
  const h = Math.floor(seconds / 3600);
  const m = Math.floor(seconds / 60) % 60;
  return (h ? h + ':' + pad(m) : m) + ':' + pad(seconds % 60);
}

// data-copy: copies the text of the element with that id, a list by lines.
function copy(button) {
  if (!navigator.clipboard) return;
  const label = button.textContent;
  button.setAttribute('aria-live', 'polite');
  button.addEventListener('click', async () => {
    const source = document.getElementById(button.dataset.copy);
    const lines = [...source.querySelectorAll('li')].map((li) => li.textContent);
    try {
      await navigator.clipboard.writeText(lines.length ? lines.join('\n') + '\n' : source.textContent);
    } catch {
      getSelection().selectAllChildren(source);
      return;
    }
    button.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = label; }, 2000);
  });
  button.hidden = false;
}

// data-print: prints the page.
function print(button) {
  button.addEventListener('click', () => window.print());
  button.hidden = false;
}

// data-judged: the URL that says which rules a new password breaks, asked while
// somebody types. Without an answer the rules stay as they are, unmarked.
function judged(input) {
  const field = input.closest('.field');
  const verdict = field.querySelector('[data-verdict]');
  const rules = [...field.querySelectorAll('[data-rule]:not([data-later])')];
  let timer;
  let asking;
  const mark = (broken) => {
    rules.forEach((li) => {
      const bad = broken && broken.includes(li.dataset.rule);
      li.classList.toggle('broken', !!bad);
      li.classList.toggle('met', !!broken && !bad);
      li.querySelector('[data-state]').textContent = !broken ? '' : ' ' + (bad ? verdict.dataset.broken : verdict.dataset.met);
    });
    // What was wrong about the one that was sent is not wrong about this one.
    if (broken && !broken.length) {
      field.querySelector('.error')?.remove();
      input.removeAttribute('aria-invalid');
    }
    verdict.textContent = !broken ? '' : broken.length ? verdict.dataset.bad : verdict.dataset.good;
  };
  const ask = async () => {
    asking?.abort();
    asking = new AbortController();
    try {
      const answer = await fetch(input.dataset.judged, {
        method: 'POST', body: new URLSearchParams({ password: input.value }), signal: asking.signal,
      });
      mark(answer.ok ? (await answer.json()).broken : null);
    } catch (error) {
      if (error.name !== 'AbortError') mark(null);
    }
  };
  input.addEventListener('input', () => {
    clearTimeout(timer);
    if (input.value) timer = setTimeout(ask, 250);
    else mark(null);
  });
}

// data-news: tells the other tabs that somebody signed in here. data-tabs: the URL
// that says whether the page at data-page can go on with that. It is asked when there are
// such news, and when the tab comes back to sight.
const tabs = 'BroadcastChannel' in window ? new BroadcastChannel('gatehouse') : null;

function news() {
  tabs?.postMessage('signed in');
}

function onward(page) {
  const ask = async () => {
    try {
      const answer = await fetch(page.dataset.tabs);
      if (answer.status === 200 && (await answer.json()).onward) location.replace(page.dataset.page);
    } catch {
      // The network is gone for a moment: the next look at the tab tries again.
    }
  };
  tabs?.addEventListener('message', ask);
  document.addEventListener('visibilitychange', () => { if (!document.hidden) ask(); });
}

// data-again: the URL that starts again a sign-in whose time is over, in data-seconds.
// It waits until somebody looks, counts by the clock, and takes the typed address along.
function again(page) {
  const end = Date.now() + page.dataset.seconds * 1000;
  const look = () => {
    if (document.hidden || Date.now() < end) return;
    const to = new URL(page.dataset.again, location);
    const typed = document.querySelector('input[type=email]')?.value;
    if (typed) to.searchParams.set('login_hint', typed);
    location.replace(to);
  };
  document.addEventListener('visibilitychange', look);
  setInterval(look, 5000);
}

// data-told: a frame in which an app signs out. Once all have answered, which is when the
// page has loaded, it leads on before its time.
function told() {
  const onward = document.querySelector('a[data-news]');
  if (!onward || !document.querySelector('meta[http-equiv=refresh]')) return;
  const go = () => location.replace(onward.href);
  if (document.readyState === 'complete') go();
  else addEventListener('load', go);
}

// A time is shown in the zone and the form of the reader. What the server wrote is UTC, or
// the zone of their account; UTC stays to be read in its title.
function times(page) {
  const lang = document.documentElement.lang;
  const own = navigator.languages?.find((l) => l.split('-')[0] === lang.split('-')[0]) ?? lang;
  page.querySelectorAll('time[datetime]').forEach((element) => {
    const at = new Date(element.dateTime);
    if (isNaN(at)) return;
    const timeStyle = 'seconds' in element.dataset ? 'medium' : 'short';
    element.textContent = new Intl.DateTimeFormat(own, { dateStyle: 'medium', timeStyle, numberingSystem: 'latn' }).format(at);
  });
}

// The hidden field passkeys of a sign-in's forms says what the browser can do with them:
// nothing, use those on a phone or a key, or keep them on this device.
async function canPasskeys(fields) {
  if (!fields.length || !window.PublicKeyCredential) return;
  const say = (what) => fields.forEach((field) => { field.value = what; });
  say('yes');
  try {
    if (await PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable()) say('here');
  } catch {
    // A browser that does not tell keeps none.
  }
}

// data-send: sends the form by itself.
function send(form) {
  form.requestSubmit();
}

sendOnce();
times(document);
document.addEventListener('gatehouse:read', (event) => times(event.detail));
each('[data-news]', news);
each('[data-tabs]', onward);
each('[data-again]', again);
canPasskeys(document.querySelectorAll('input[type=hidden][name=passkeys]'));
each('[data-send]', send);
if (document.querySelector('[data-told]')) told();
each('[data-judged]', judged);
each('[data-reveal]', reveal);
each('[data-digits]', digits);
each('[data-carry]', carry);
each('[data-countdown]', countdown);
each('[data-copy]', copy);
each('[data-print]', print);
