package config

import (
	"encoding"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"quorate/internal/exitcode"
)

// DefaultFile is read when it exists and no other file is named.
const DefaultFile = "/etc/quorate/quorate.yaml"

const envPrefix = "QUORATE_"

// Variables with our prefix that are not settings of a node.
var otherVariables = []string{envPrefix + "CONFIG", envPrefix + "ENDPOINT"}

// WithoutSettings returns the environment without the variables of settings, for
// a node that gets everything by flags: what is meant for another must not reach
// it.
func WithoutSettings(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool { return strings.HasPrefix(entry, envPrefix) })
}

// Sources are where values may come from.
type Sources struct {
	// Flags holds the flags that were given, by name, without dashes.
	Flags map[string]string
	// Environ is the environment, as os.Environ returns it.
	Environ []string
	// File is the configuration file. Empty means none; DefaultFile may be missing.
	File string
	// Hostname names the member when nothing else does.
	Hostname func() (string, error)
}

// Loaded is the outcome of Load.
type Loaded struct {
	Config
	// Values are all settings in the order of Settings.
	Values []Value
	// Warnings are sentences about what is allowed but looks mistaken.
	Warnings []string
}

// Value is the value of a setting and where it came from.
type Value struct {
	Setting
	Text   string // as written, or as derived
	Source string // "flag --name", "environment QUORATE_NAME", "FILE:3", "default"
}

// candidate is a value before it is parsed.
type candidate struct{ text, source string }

// Load reads all sources and returns a complete, checked configuration.
func Load(sources Sources) (*Loaded, error) {
	settings := Settings()
	fromFile, err := readFile(sources.File, settings)
	if err != nil {
		return nil, err
	}
	fromEnv, warnings := readEnvironment(sources.Environ, settings)
	loaded := &Loaded{Values: make([]Value, len(settings)), Warnings: warnings}
	fields := reflect.ValueOf(&loaded.Config).Elem()
	for i, s := range settings {
		c := candidate{s.Default, "default"}
		if given, ok := fromFile[s.Key]; ok {
			c = given
		}
		if given, ok := fromEnv[s.Key]; ok {
			c = given
		}
		if given, ok := sources.Flags[s.Flag]; ok {
			c = candidate{given, "flag --" + s.Flag}
		}
		loaded.Values[i] = Value{Setting: s, Source: c.source}
		if c.text == "" && s.Default == "" {
			continue // derived below
		}
		if err := parse(fields.Field(s.field), c.text); err != nil {
			return nil, usage(fmt.Errorf("%s = %q (%s): %w", s.Key, c.text, c.source, err), "")
		}
	}
	if err := loaded.derive(sources.Hostname); err != nil {
		return nil, err
	}
	if err := loaded.validate(); err != nil {
		return nil, err
	}
	for i, s := range settings {
		loaded.Values[i].Text = fmt.Sprint(fields.Field(s.field).Interface())
	}
	return loaded, nil
}

// readEnvironment picks our variables. One that is not known is a warning and
// not an error: Kubernetes sets QUORATE_PORT and the like for a service that
// is called quorate.
func readEnvironment(environ []string, settings []Setting) (map[string]candidate, []string) {
	byEnv := map[string]string{}
	for _, s := range settings {
		byEnv[s.Env] = s.Key
	}
	values := map[string]candidate{}
	var warnings []string
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) || slices.Contains(otherVariables, name) {
			continue
		}
		key, ok := byEnv[name]
		if !ok {
			warning := "the environment variable " + name + " is not a setting"
			if near := nearest(name, slices.Collect(maps.Keys(byEnv))); near != "" {
				warning += "; did you mean " + near + "?"
			}
			warnings = append(warnings, warning)
			continue
		}
		values[key] = candidate{value, "environment " + name}
	}
	slices.Sort(warnings)
	return values, warnings
}

// parse sets a field of Config from text.
func parse(field reflect.Value, text string) error {
	switch target := field.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		return target.UnmarshalText([]byte(text))
	case *string:
		if text == "" {
			return errors.New("it must not be empty")
		}
		*target = text
	case *bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return errors.New("expected true or false")
		}
		*target = b
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return errors.New("expected a duration with a unit, more than 0, such as 50ms or 10s")
		}
		*target = d
	default:
		panic("config: no parser for " + field.Type().String())
	}
	return nil
}

// readFile returns the file's values by key.
func readFile(path string, settings []Setting) (map[string]candidate, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && path == DefaultFile {
		return nil, nil
	}
	if err != nil {
		return nil, usage(fmt.Errorf("configuration file: %w", err), "Check the path given with --config.")
	}
	return parseYAML(path, data, settings)
}

// usage makes an error of the command line or configuration.
func usage(err error, hint string) error {
	return &exitcode.Error{Code: exitcode.Usage, Err: err, Hint: hint}
}
