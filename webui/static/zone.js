// The time zone: one that follows the browser is kept current here, and the settings page is told which that is.
const NAME = "clew-zone";
const here = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
const kept = document.cookie.split("; ").find((one) => one.startsWith(`${NAME}=`))?.slice(NAME.length + 1).replaceAll('"', "") ?? "";

// The server told these times by where the browser was before: keep the new place, and have them told anew.
if (kept.startsWith("~") && kept.slice(1) !== here) {
  document.cookie = `${NAME}=~${here}; Path=/; Max-Age=31536000; SameSite=Lax`;
  if (document.cookie.includes(`~${here}`)) location.reload();
}

const choice = document.querySelector("[data-browser]");
if (choice) {
  choice.hidden = false;
  choice.querySelector("[data-browser-zone]").textContent = here;
  choice.querySelector('input[name="browser"]').value = here;
  const other = document.querySelector('input[name="other"]');
  other.addEventListener("input", () => { document.querySelector('input[value="other"]').checked = true; });
}
