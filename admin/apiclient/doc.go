// Package apiclient calls the admin API of a provider that runs, as a service
// client. It owns the connection: which addresses a secret may be sent to, the token,
// versions, pages and problems. It knows no operation: bodies go and answers come as
// ../openapi.yaml has them, so a change there is none here.
package apiclient
