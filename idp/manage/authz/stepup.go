package authz

// StepUpError is ErrStepUp that says what the sign-in is to be asked for beyond what
// StepUp says.
type StepUpError struct {
	What string
	// Anew: the sign-in begins anew (prompt=login). What is missing is not among what a
	// step-up asks for, such as the email code before a first authenticator: a session
	// would be enough for the sign-in and never for the page, and the browser would go
	// round between them.
	Anew bool
}

// Error implements error.
func (e *StepUpError) Error() string { return ErrStepUp.Error() + ": " + e.What }

// Unwrap makes it an ErrStepUp.
func (e *StepUpError) Unwrap() error { return ErrStepUp }
