package config

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// parseYAML returns the values of a configuration file by key. It walks the
// document itself: so every value knows its line, an unknown key is an error
// that can name its neighbour, and a key given twice is not silently the last.
func parseYAML(path string, data []byte, settings []Setting) (map[string]candidate, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, usage(fmt.Errorf("configuration file %s: %w", path, err), "It is YAML; docs/reference/config.md has an example.")
	}
	w := walker{path: path, keys: map[string]bool{}, sections: map[string]bool{}, values: map[string]candidate{}}
	for _, s := range settings {
		w.keys[s.Key] = true
		for i, c := range s.Key {
			if c == '.' {
				w.sections[s.Key[:i]] = true
			}
		}
	}
	if len(document.Content) == 0 {
		return w.values, nil
	}
	return w.values, w.mapping("", document.Content[0])
}

// walker goes through the document.
type walker struct {
	path     string
	keys     map[string]bool // "raft.election"
	sections map[string]bool // "raft"
	values   map[string]candidate
}

func (w *walker) mapping(prefix string, node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return nil // a section, or a file, with everything commented out
	}
	if node.Kind != yaml.MappingNode {
		return w.fail(node, "expected keys and values", "")
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		key := name.Value
		if prefix != "" {
			key = prefix + "." + key
		}
		if err := w.entry(key, name, value); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) entry(key string, name, value *yaml.Node) error {
	switch {
	case w.sections[key]:
		return w.mapping(key, value)
	case !w.keys[key]:
		return w.unknown(key, name)
	case value.Kind != yaml.ScalarNode:
		return w.fail(value, key+": expected one value", "")
	}
	if first, ok := w.values[key]; ok {
		return w.fail(name, fmt.Sprintf("%s is given twice, first at %s", key, first.source), "")
	}
	if value.Tag == "!!null" {
		return w.fail(value, key+" has no value", "Leave the key out to get its default.")
	}
	w.values[key] = candidate{value.Value, fmt.Sprintf("%s:%d", w.path, value.Line)}
	return nil
}

func (w *walker) unknown(key string, node *yaml.Node) error {
	known := make([]string, 0, len(w.keys)+len(w.sections))
	for k := range w.keys {
		known = append(known, k)
	}
	for k := range w.sections {
		known = append(known, k)
	}
	hint := "docs/reference/config.md lists the keys."
	if near := nearest(key, known); near != "" {
		hint = "Did you mean " + near + "?"
	}
	return w.fail(node, fmt.Sprintf("unknown key %q", key), hint)
}

func (w *walker) fail(node *yaml.Node, what, hint string) error {
	return usage(fmt.Errorf("%s:%d: %s", w.path, node.Line, what), hint)
}
