package archive

import (
	"errors"
	"fmt"
)

// Error says that a stream cannot be taken for a saved database, why, and what to
// do about it.
type Error struct {
	Reason string // completes the sentence "meta.db: …"
	Hint   string // full sentences
}

func (e *Error) Error() string { return e.Reason }

func refuse(hint, format string, args ...any) error {
	return &Error{Reason: fmt.Sprintf(format, args...), Hint: hint}
}

const hintAgain = "Save again, copy the file again, or take another archive: quorate snapshot verify tells whether one is whole."

// damaged says that bytes are not what was saved.
func damaged(reason string) error { return &Error{Reason: reason, Hint: hintAgain} }

// errCutShort says that bytes are missing. They are missing at the end, or, when
// the header is damaged, only seem to be.
func errCutShort(reason string) error {
	return &Error{Reason: "it is cut short: " + reason, Hint: hintAgain}
}

// ErrExists says that a file is there already that was to be made.
var ErrExists = errors.New("there is a file already")
