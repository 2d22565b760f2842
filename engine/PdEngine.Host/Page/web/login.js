const form = document.getElementById('form');
const key = document.getElementById('key');
const said = document.getElementById('said');

form.addEventListener('submit', async event => {
  event.preventDefault();
  said.textContent = 'Checking';
  try {
    const answer = await fetch('/login', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ key: key.value }),
    });
    if (answer.ok) {
      location.reload();
      return;
    }
    said.textContent = answer.status === 401 ? 'That is not the key.' : `The server said ${answer.status}.`;
  } catch {
    said.textContent = 'The server does not answer.';
  }
  key.select();
});
