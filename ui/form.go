package ui

import "slices"

// Form is a form of the console, an input at a time. Form fields: the names of Inputs,
// NAME_unit of each length of time, and the hidden ones of the frame.
type Form struct {
	Action, CancelURL string // no cancelling without a URL
	Lead              Message
	Notes             []Note // what is to know before the form
	Inputs            []Input
	Submit            Message
	Sends             Field    // what Submit sends beside the inputs, may be empty
	More              []Button // beside Submit
}

// Button sends the form with a value of its own.
type Button struct {
	Field
	Label Message
}

func (f Form) failed() bool { return anyFailed(f.Inputs) }

func anyFailed(inputs []Input) bool {
	return slices.ContainsFunc(inputs, func(i Input) bool { return i.Error != nil || anyFailed(i.Inputs) })
}

// The kinds of inputs.
const (
	TextInput   = "text"
	LinesInput  = "lines"
	SwitchInput = "switch"
	LimitInput  = "limit"
	RadioInput  = "radios"
	SelectInput = "select"
	TicksInput  = "ticks"
	SecretInput = "secret"
	EmailInput  = "email"
	// PasswordInput asks for a new password.
	PasswordInput = "password"
	HiddenInput   = "hidden"
	CheckInput    = "check" // a box to tick
	GroupInput    = "group" // of Inputs
	// DetailsInput is a part of Inputs that is closed at first.
	DetailsInput = "details"
	// ValuesInput asks for nothing: Settings to copy.
	ValuesInput = "values"
	// MappingsInput asks which roles follow which claims: map_claim, map_value and map_role.
	MappingsInput = "mappings"
)

// Input is one thing that a form asks for.
type Input struct {
	Heading  Key    // begins a part of the form, empty for none
	Before   []Note // below the heading
	Kind     string
	Name     string
	Label    Message
	Hint     Message // may be empty
	Value    string  // as typed
	On       bool    // of a switch
	Required bool
	Fixed    bool     // an email that is only shown
	Units    []Unit   // of a length of time
	Choices  []Choice // of radios and selects
	Ticks    []Tick
	Inputs   []Input // of a group
	Settings []Setting
	Mappings []MappingRow
	Error    *Message
	Swatches []Swatch // the colour that was typed, as pages show it
	Contrast string
	After    []Note
}

// Failed tells whether something is wrong about one of its inputs.
func (i Input) Failed() bool { return anyFailed(i.Inputs) }

// Unit is one of time.
type Unit struct {
	Value  string // of the form field
	Label  Message
	Chosen bool
}

// Note is a text beside inputs.
type Note struct {
	Class string  // hint, notice or warning
	Title Message // may be empty
	Text  Message
	List  []Message
	Links []Link
}

// ConsoleForm is a page of the console that is nothing but a form, and links below it.
type ConsoleForm struct {
	Console
	Form
	Name       string // of the page, for styles and tests
	Heading    Message
	LinksTitle Key
	Links      []Link
	// DeleteURL asks before the thing is deleted, absent when empty; the texts are
	// DeleteTexts, DeleteTexts_hint and DeleteTexts_link.
	DeleteURL   string
	DeleteTexts Key
}

func (p ConsoleForm) about() about {
	return about{template: "console-form", name: p.Name, failed: p.failed() || p.Alert != nil, console: true}
}

// Below is one of the texts beside DeleteTexts.
func (p ConsoleForm) Below(ending string) Key { return p.DeleteTexts + Key(ending) }
