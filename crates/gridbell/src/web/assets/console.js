// Live updates, countdowns and what a page needs beside its HTML. Every page works without this script.
"use strict";
(() => {
  const content = document.getElementById("content");
  const news = document.getElementById("news");
  const live = document.getElementById("live");
  if (!content || !news || !live) return;

  // The stack's clock, whatever this browser's says.
  const loadedAt = performance.now();
  const stackAt = Number(document.body.dataset.now);
  const now = () => stackAt + performance.now() - loadedAt;

  // The same words as on the command line.
  const span = (s) => {
    const [m, h, d] = [Math.floor(s / 60), Math.floor(s / 3600), Math.floor(s / 86400)];
    const both = (large, unit, small, part) => (small ? `${large} ${unit} ${small} ${part}` : `${large} ${unit}`);
    if (s < 90) return `${s} s`;
    if (s < 3600) return `${m} min`;
    if (s < 86400) return both(h, "h", m % 60, "min");
    if (s < 604800) return both(d, "d", h % 24, "h");
    return `${d} d`;
  };
  const off = (at) => {
    const s = Math.trunc((at - now()) / 1000);
    if (Math.abs(s) <= 1) return "now";
    return s > 0 ? `in ${span(s)}` : `${span(-s)} ago`;
  };
  const count = () => {
    for (const one of content.querySelectorAll("[data-off]")) {
      const text = off(Number(one.dataset.off));
      if (one.textContent !== text) one.textContent = text;
    }
  };
  setInterval(count, 1000);

  // What came of an action is shown once.
  const address = new URL(location.href);
  if (address.searchParams.has("said")) {
    address.searchParams.delete("said");
    history.replaceState(null, "", address);
  }

  // Whether a person is in the midst of something that new content would undo.
  const isBusy = () => {
    const active = document.activeElement;
    if (active && content.contains(active) && active.matches("input:not([type=checkbox]), select, textarea")) return true;
    if ([...content.querySelectorAll("input, select, textarea")].some(
      (field) => field.type === "checkbox" || field.type === "radio" ? field.checked !== field.defaultChecked
        : field.tagName === "INPUT" && field.value !== field.defaultValue)) return true;
    const selection = getSelection();
    return !selection.isCollapsed && content.contains(selection.anchorNode);
  };

  // Finds the element that stands for this one in new content: a link by its address, anything else by its number.
  const place = (element) => {
    if (!element || !content.contains(element)) return null;
    const alike = () => [...content.querySelectorAll(element.tagName)];
    const number = alike().indexOf(element);
    const to = element.getAttribute("href");
    return () => alike().find((one) => to && one.getAttribute("href") === to) ?? alike()[number];
  };

  let waiting = null;
  const show = (html) => {
    if (isBusy()) {
      waiting = html;
      live.textContent = "There is news. It is shown when you leave the form, or reload the page.";
      return;
    }
    waiting = null;
    const before = document.getElementById("summary")?.textContent;
    const focused = place(document.activeElement);
    const open = [...content.querySelectorAll("details[open][id]")].map((one) => one.id);
    content.innerHTML = html;
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    focused?.()?.focus({ preventScroll: true });
    count();
    const after = document.getElementById("summary")?.textContent;
    if (after && after !== before) news.textContent = after;
    live.textContent = "Live.";
  };
  document.addEventListener("focusout", () => setTimeout(() => waiting && show(waiting)));

  let source = null;
  let known = content.dataset.digest;
  const listen = () => {
    if (source || document.hidden) return;
    const query = new URLSearchParams({ path: location.pathname, query: location.search, known });
    source = new EventSource(`/live?${query}`);
    source.onopen = () => { live.textContent = "Live."; };
    source.onerror = () => { live.textContent = "The console does not answer. Start it again, or reload the page."; };
    source.addEventListener("page", (event) => { known = event.lastEventId; show(event.data); });
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { source?.close(); source = null; } else listen();
  });
  addEventListener("pageshow", listen);
  addEventListener("pagehide", () => { source?.close(); source = null; });
})();
