// Package api serves the admin REST API below /admin/api/v1. It owns how requests
// and answers look, as ../openapi.yaml says; what an operation does and who may do it
// is idp/manage's.
//
// server.gen.go, openapi.json and openapi.yaml here are made of the document by
// `go generate`. The code is oapi-codegen's gin server without its strict variant: a
// table of ours answers every error, where the strict server would write a type and a
// method for each of some 400 pairs of operation and error. Requests are checked
// against the document by schema.go before a handler sees them.
package api

//go:generate go run gen.go
