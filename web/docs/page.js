// Starts Swagger UI over the gateway's own document, and gives its controls the names that they lack.
// Nothing is fetched from anywhere else.
"use strict";

// Swagger UI puts each path as a link into the button that opens it: one control within another. The
// address still follows what is opened.
const PlainPaths = ({ React }) => ({
  wrapComponents: { DeepLink: () => ({ text }) => React.createElement("span", null, text) },
});

const ATTRIBUTES = [
  ["#servers", { "aria-label": "Server" }],
  [".operation-filter-input", { "aria-label": "Filter by tag or path" }],
  [".close-modal", { "aria-label": "Close" }],
  [".auth-btn-wrapper .authorize", { "aria-label": "Authorize" }],
  ["textarea.body-param__text", { "aria-label": "Request body" }],
  [".parameters-col_description :is(input, select, textarea):not([id])", { "aria-label": "Value" }],
  ["pre", { tabindex: "0" }],
  ["h3.opblock-tag, .models > h4, .modal-ux h3", { "aria-level": "2" }],
  [".opblock-body h4, .auth-container h4", { "aria-level": "3" }],
  [".opblock-body h5", { "aria-level": "4" }],
  [".information-container", { role: "region", "aria-label": "About this API" }],
  [".scheme-container", { role: "region", "aria-label": "Server and authorization" }],
  [".filter-container", { role: "search" }],
];

function complete() {
  for (const [selector, attributes] of ATTRIBUTES) {
    for (const element of document.querySelectorAll(selector)) {
      for (const [name, value] of Object.entries(attributes)) {
        if (element.getAttribute(name) !== value) element.setAttribute(name, value);
      }
    }
  }
}

window.addEventListener("load", () => {
  new MutationObserver(complete).observe(document.getElementById("api"), { childList: true, subtree: true });
  SwaggerUIBundle({
    url: "/api/v1/openapi.json",
    dom_id: "#api",
    deepLinking: true,
    displayRequestDuration: true,
    filter: true,
    plugins: [PlainPaths],
    tryItOutEnabled: true,
    validatorUrl: null,
  });
});
