// Package people owns the operations on people: adding, reading, changing and deleting
// them, their roles, passwords and sessions, and the access that apps keep. What people do
// to their own account is package self; factors are package factors.
package people
