// data-live: while the box is ticked, the element with that id is read again
// every few seconds. It stops by itself, so that a forgotten tab does not keep its
// session alive.

const every = 4000;
const atMost = 15 * 60 * 1000;

function live(box) {
  const id = box.dataset.live;
  let timer;
  const stop = () => {
    clearTimeout(timer);
    box.checked = false;
  };
  const read = async (end) => {
    if (Date.now() > end) return stop();
    if (!document.hidden) {
      try {
        const answer = await fetch(location.href, { headers: { Accept: 'text/html' } });
        const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
        document.dispatchEvent(new CustomEvent('gatehouse:read', { detail: page }));
        const found = page.getElementById(id);
        if (!answer.ok || answer.redirected || !found) return stop();
        if (box.checked) replace(document.getElementById(id), found);
      } catch {
        // The network is gone for a moment: the next round tries again.
      }
    }
    if (box.checked) timer = setTimeout(read, every, end);
  };
  box.addEventListener('change', () => {
    clearTimeout(timer);
    if (box.checked) read(Date.now() + atMost);
  });
  box.checked = false;
  box.closest('label').hidden = false;
}

// What somebody reads stays as it is: the same rows, an open detail, a focus.
function replace(old, found) {
  if (old.innerHTML === found.innerHTML || old.querySelector('details[open]') || old.contains(document.activeElement)) return;
  old.replaceChildren(...document.importNode(found, true).childNodes);
}

document.querySelectorAll('[data-live]').forEach(live);
