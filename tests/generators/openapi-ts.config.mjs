// hey-api. Node wants the extensions of imported files.
export default { output: { path: "hey-api", importFileExtension: ".js" }, logs: { file: false } };
