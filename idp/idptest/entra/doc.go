// Package entra owns a simulated Microsoft Entra ID: several directories under one
// server, with the documents, claims, errors and refusals of the real one, and a
// plain OpenID provider beside them under /generic. The demo and tests sign in at
// it, and can make it misbehave. It knows nothing of the provider that trusts it,
// keeps everything in memory, and is no place for real accounts.
package entra
