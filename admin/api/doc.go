// Package api serves the admin REST API below /admin/api/v1. It owns how requests
// and answers look; what an operation does and who may do it is idp/manage's.
//
// The OpenAPI document is made at start of the table of operations (operations.go and the
// files of its sections), of Go's types, of the descriptions of settings (described.go) and
// of prose (document.yaml). ../openapi.yaml is that document, for readers; a test writes it
// and holds both equal. Requests are checked against the document by a JSON Schema library
// (check.go) before an operation sees them.
package api
