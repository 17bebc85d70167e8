"use strict";
/* Commands that a user copies into a shell, and tables for spreadsheets. Names of tracks may come from anyone. */
const Shell = {
  /* Names that no shell takes from a clipboard unchanged: with control characters, or bytes that are no text. */
  isPlain: (text) => !/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(text) && text.isWellFormed?.() !== false,
  isWindows: () => /win/i.test(navigator.userAgentData?.platform || navigator.platform || ""),
  /* Quote one argument, for PowerShell or for the shells of Linux and macOS. PowerShell takes curly quotes as quotes. */
  quote(text, powershell) {
    if (/^[\w.\/][\w.\/-]*$/.test(text)) return text;
    return powershell ? `'${text.replace(/['\u2018-\u201b]/g, "$&$&")}'` : `'${text.replace(/'/g, "'\\''")}'`;
  },
  /* Commands that exclude tracks, each short enough for every shell; paths are relative to the folder of the report. */
  exclude(paths, reason, powershell) {
    const plain = reason.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ").replace(/^[\s-]+/, "").trim();
    const why = Shell.quote(plain || "seen in the report", powershell);
    const commands = [];
    let words = "";
    for (const path of paths) {
      const word = " " + Shell.quote(path.startsWith("-") ? "./" + path : path, powershell);
      if (words && words.length + word.length > 6000) { commands.push(words); words = ""; }
      words += word;
    }
    if (words) commands.push(words);
    return commands.map((list) => `mirkit exclude${list} --reason ${why}`).join("\n");
  },
  /* A text that a spreadsheet would run as a formula gets an apostrophe before it, as in mirkit's tables. */
  isFormula: (text) => /^[\s\u0000-\u001f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff'"`\u2018\u2019\u201c\u201d]*(?:[=+\-@\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b\u2212]|(?<=[\t\r\n]))/.test(text),
  cell(value) {
    if (value === null || value === undefined) return "";
    if (typeof value === "number") return String(value);
    const text = Shell.isFormula(value) ? "'" + value : value;
    return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  },
  /* A table as CSV (RFC 4180). */
  csv: (rows) => rows.map((row) => row.map(Shell.cell).join(",") + "\r\n").join(""),
  save(name, text) {
    const address = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" }));
    M.el("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  },
};
