// Package admin is the console: the pages on which admins and holders of roles see
// and change what concerns them. It decides nothing about permissions: every
// operation is idp/manage's, which checks who asks. Each file is one section.
package admin
