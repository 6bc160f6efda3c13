// Package roles owns the roles that admins make. What a permission allows is package
// authz's.
package roles
