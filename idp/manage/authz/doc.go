// Package authz decides who may carry out which operation: the table of operations with
// their permissions, fresh second steps and reasons, what would get around a person's
// second step, and the look at the caller just before a transaction is committed. It
// carries out no operation.
package authz
