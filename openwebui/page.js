// Open WebUI runs Python in a frame without an origin, a sandbox, which browsers and the edge take
// for a foreign page. Its files lie a second time behind a name that only our pages know: here.
{
	const files = "__PYTHON_FILES__";
	const given = Object.getOwnPropertyDescriptor(HTMLIFrameElement.prototype, "srcdoc");
	Object.defineProperty(HTMLIFrameElement.prototype, "srcdoc", {
		...given,
		set(text) {
			const known = this.title === "pyodide-sandbox";
			const own = `${location.origin}/pyodide/`;
			given.set.call(this, known ? text.replaceAll(own, `${location.origin}${files}/`) : text);
		},
	});
}
