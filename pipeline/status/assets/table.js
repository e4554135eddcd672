// Tables whose rows are updated in place. On narrow screens page.css lays each row out as a card; the roles are written
// out because some browsers forget them when a table is no longer laid out as one.

import { keep, make, makeBar, setAttribute, setBar, setClass, setText, show } from "./dom.js";
import { count } from "./format.js";

/**
 * A column: `head`, `text(row)`, and as needed `more(row)` (a second line), `bar(row)` (a share), `level(row)`
 * ("bad" | "note" | ""), `by(row)` (what to sort by), `number: true`, `code: true`.
 */
export class Table {
  #columns;
  #key;
  #sort; // [index of the column, 1 or -1]
  #rows = [];
  #heads = [];
  #body = make("tbody", { role: "rowgroup" });
  #none;
  #region;
  #first; // so many rows are shown until more are asked for
  #more = make("button", { type: "button", class: "show-all", hidden: true });

  constructor(section, { id, caption, columns, key, none, sort, before = null, first = 10 }) {
    this.#first = first;
    this.#columns = columns;
    this.#key = key;
    this.#sort = sort;
    const heads = columns.map((column, index) => this.#makeHead(column, index));
    const sortable = columns.some((column) => column.by);
    const table = make(
      "table",
      { role: "table", class: sortable ? "sortable" : undefined },
      make("caption", { id: `${id}-caption` }, caption),
      make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...heads)),
      this.#body,
    );
    this.#region = make("div", { class: "scroll", role: "region", "aria-labelledby": `${id}-caption` }, table);
    this.#none = make("p", { class: "quiet", hidden: true }, none);
    section.insertBefore(this.#region, before);
    section.insertBefore(this.#none, before);
    section.insertBefore(this.#more, before);
    this.#more.addEventListener("click", () => {
      this.#first = this.#first === Infinity ? first : Infinity;
      this.update(this.#rows);
    });
    // Only what can be scrolled is a stop of the Tab key.
    new ResizeObserver(() => {
      if (this.#region.scrollWidth > this.#region.clientWidth) this.#region.tabIndex = 0;
      else this.#region.removeAttribute("tabindex");
    }).observe(table);
    this.#showSort();
  }

  update(rows) {
    this.#rows = rows;
    show(this.#region, rows.length > 0);
    show(this.#none, rows.length === 0);
    show(this.#more, rows.length > this.#first || this.#first === Infinity);
    setText(this.#more, this.#first === Infinity ? "Show fewer" : `Show all ${count(rows.length)}`);
    keep(this.#body, this.#sorted().slice(0, this.#first), {
      key: this.#key,
      create: () => make("tr", { role: "row" }, ...this.#columns.map((column, index) => this.#makeCell(column, index))),
      update: (tr, row) => this.#columns.forEach((column, index) => this.#fill(tr.children[index], column, row)),
    });
  }

  #sorted() {
    if (!this.#sort) return this.#rows;
    const [index, direction] = this.#sort;
    const by = this.#columns[index].by;
    return this.#rows.toSorted((a, b) => {
      const [x, y] = [by(a), by(b)];
      return direction * (typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : (x ?? 0) - (y ?? 0));
    });
  }

  #makeHead(column, index) {
    const head = make("th", { scope: "col", role: "columnheader", class: column.number ? "number" : undefined });
    this.#heads.push(head);
    if (!column.by) {
      head.append(column.head);
      return head;
    }
    const button = make("button", { type: "button" }, column.head);
    button.addEventListener("click", () => {
      const [now, direction] = this.#sort;
      this.#sort = [index, now === index ? -direction : column.number ? -1 : 1]; // of numbers the largest first
      this.#showSort();
      this.update(this.#rows);
    });
    head.append(button);
    return head;
  }

  #showSort() {
    if (!this.#sort) return;
    const [index, direction] = this.#sort;
    this.#heads.forEach((head, at) => {
      if (at === index) setAttribute(head, "aria-sort", direction > 0 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
  }

  #makeCell(column, index) {
    const cell = index
      ? make("td", { role: "cell", "data-head": column.head })
      : make("th", { scope: "row", role: "rowheader", "data-head": column.head });
    const value = make("div");
    value.append(make("span", { class: column.code ? "code" : undefined }));
    if (column.bar) value.append(makeBar());
    if (column.more) value.append(make("span", { class: "more" }));
    cell.append(value);
    return cell;
  }

  #fill(cell, column, row) {
    const value = cell.firstChild;
    setText(value.firstChild, column.text(row));
    if (column.bar) setBar(value.children[1], column.bar(row), column.level?.(row));
    if (column.more) setText(value.lastChild, column.more(row));
    setClass(cell, [column.number ? "number" : "", column.level?.(row) ?? ""].filter(Boolean).join(" "));
  }
}
