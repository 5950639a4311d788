// Lists that the server fills: videos, cameras, trackers, files.

export function buttons(parent, names, press) {
  parent.replaceChildren(...names.map((name) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", () => press(name, button));
    return button;
  }));
}

export function options(select, trackers, chosen) {
  select.replaceChildren(...trackers.map(({ name }) => new Option(name, name)));
  select.selectedIndex = Math.min(chosen, trackers.length - 1);
}

export function links(list, files) {
  list.replaceChildren(...files.map(({ name, url, bytes }) => {
    const link = Object.assign(document.createElement("a"), { href: url, download: name });
    const size = bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
    link.append(name, Object.assign(document.createElement("small"), { textContent: size }));
    const item = document.createElement("li");
    item.append(link);
    return item;
  }));
}
