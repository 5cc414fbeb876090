// Kaitai's compiler, and the parser that it makes for JavaScript, as test_kaitai.py runs them. NODE_PATH says where
// kaitai-struct-compiler, kaitai-struct and yaml are.
//
//   node kaitai.js compile simp.ksy FOLDER   writes FOLDER/simp.py and FOLDER/Simp.js
//   node kaitai.js read FOLDER/Simp.js       reads [[framing, hexadecimal], ...] from standard input, and writes the
//                                            fields of each, or {} where it is refused

const fs = require("fs");
const path = require("path");
const KaitaiStream = require("kaitai-struct/KaitaiStream");

async function compile(ksy, folder) {
  const compiler = require("kaitai-struct-compiler");
  const YAML = require("yaml");
  for (const language of ["python", "javascript"]) {
    const files = await compiler.compile(language, YAML.parse(fs.readFileSync(ksy, "utf8")), null, false);
    for (const name in files) fs.writeFileSync(path.join(folder, name), files[name]);
  }
}

function read(Simp, framing, data) {
  const hex = (bytes) => Buffer.from(bytes).toString("hex");
  try {
    const datagram = new Simp(new KaitaiStream(new Uint8Array(data).buffer))[framing];
    return {
      type: Simp.DatagramType[datagram.datagramType],
      operation: Simp.ControlOperation[datagram.controlOperation] ?? Simp.ChatOperation[datagram.chatOperation],
      sequence: datagram.sequence,
      user: hex(datagram.user),
      length: datagram.length,
      payload: hex(datagram.payload),
      checksum: datagram.checksum ?? null,
    };
  } catch (error) {
    if (error.name === "EOFError" || error.name.startsWith("Validation")) return {};
    throw error;
  }
}

const [action, file, folder] = process.argv.slice(2);
if (action === "compile") {
  compile(file, folder);
} else {
  const { Simp } = require(path.resolve(file));
  const asked = JSON.parse(fs.readFileSync(0, "utf8"));
  console.log(JSON.stringify(asked.map(([framing, hex]) => read(Simp, framing, Buffer.from(hex, "hex")))));
}
