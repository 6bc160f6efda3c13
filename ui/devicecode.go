package ui

import "time"

// DeviceCode asks for the code that a device shows. Form field: user_code.
type DeviceCode struct {
	Frame
	Action     string   // URL the form posts to
	Code       string   // what is filled in already
	CodeError  *Message // beside the code
	Alert      *Message // above the form
	RetryAfter int      // seconds until another try is allowed
}

func (p DeviceCode) about() about {
	return about{template: "device-code", failed: anyOf(p.CodeError, p.Alert)}
}

// DeviceConfirm asks whether a device is the person's own, before it is signed in.
type DeviceConfirm struct {
	Frame
	Code               string // to compare with what the device shows
	Address, UserAgent string // where the device asked from
	At                 time.Time
	ApproveAction      string // URL of the POST form that signs it in
	DenyAction         string // URL of the POST form that refuses it
}

func (p DeviceConfirm) about() about { return about{template: "device-confirm", failed: false} }

// DeviceDone says what became of the device.
type DeviceDone struct {
	Frame
	Denied bool
}

func (p DeviceDone) about() about { return about{template: "device-done", failed: false} }
