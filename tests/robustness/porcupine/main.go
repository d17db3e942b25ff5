// Whether the history in a file has a serial order, object by object, as Porcupine judges it.
//
// The file is one that redis_mob.testing.history_files writes; docs/testing.md says what its fields mean. The answer is a
// JSON object on stdout. The exit status is 0 for "ok", 1 for "violation", 2 for "unknown", 3 for a file that is none.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	format  = "redis-mob-history"
	version = 1
)

// line is one line of a file; the first one has format and version alone.
type line struct {
	Format    string            `json:"format"`
	Version   int               `json:"version"`
	Model     string            `json:"model"`
	Key       string            `json:"key"`
	Name      string            `json:"name"`
	Arguments []json.RawMessage `json:"arguments"`
	Started   int64             `json:"started"`
	Ended     *int64            `json:"ended"`
	Result    json.RawMessage   `json:"result"`
}

type part struct {
	Model string `json:"model"`
	Key   string `json:"key"`
}

type answer struct {
	Verdict    string `json:"verdict"`
	Objects    int    `json:"objects"`
	Calls      int    `json:"calls"`
	Violations []part `json:"violations"`
	Unknown    []part `json:"unknown"`
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(3)
}

func main() {
	timeout := flag.Duration("timeout", time.Minute, "of each object, after which its verdict is unknown")
	flag.Parse()
	if flag.NArg() != 1 {
		fail("usage: check-history [-timeout 60s] FILE")
	}
	said := answer{Verdict: "ok", Violations: []part{}, Unknown: []part{}}
	parts := read(flag.Arg(0))
	names := make([]part, 0, len(parts))
	for name := range parts {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool {
		return names[i].Model+"/"+names[i].Key < names[j].Model+"/"+names[j].Key
	})
	for _, name := range names {
		said.Objects++
		said.Calls += len(parts[name])
		switch porcupine.CheckOperationsTimeout(modelOf(name), parts[name], *timeout) {
		case porcupine.Illegal:
			said.Violations = append(said.Violations, name)
		case porcupine.Unknown:
			said.Unknown = append(said.Unknown, name)
		}
	}
	status := 0
	if len(said.Unknown) > 0 {
		said.Verdict, status = "unknown", 2
	}
	if len(said.Violations) > 0 {
		said.Verdict, status = "violation", 1
	}
	fmt.Println(string(marshalled(said)))
	os.Exit(status)
}

func modelOf(name part) porcupine.Model {
	model, there := objects[name.Model]
	if !there {
		fail("there is no model %q", name.Model)
	}
	return porcupine.Model{
		Init: func() interface{} { return model.start() },
		Step: func(state, input, output interface{}) (bool, interface{}) {
			asked := input.(call)
			result, after := model.apply(state, asked)
			return asked.unknown || result == output.(value), after
		},
	}
}

func later(one, other int64) int64 {
	if one > other {
		return one
	}
	return other
}

// read gives the calls of each object. A call of unknown outcome ends after all others.
func read(file string) map[part][]porcupine.Operation {
	opened, err := os.Open(file)
	if err != nil {
		fail("%v", err)
	}
	defer opened.Close()
	parts := map[part][]porcupine.Operation{}
	last := int64(0)
	lines := bufio.NewScanner(opened)
	lines.Buffer(nil, 1<<30)
	for number := 1; lines.Scan(); number++ {
		var found line
		if err := json.Unmarshal(lines.Bytes(), &found); err != nil {
			fail("%s: line %d: %v", file, number, err)
		}
		if number == 1 {
			if found.Format != format || found.Version != version {
				fail("%s is no history of version %d", file, version)
			}
			continue
		}
		operation := porcupine.Operation{Call: found.Started, Return: -1}
		asked := call{model: found.Model, name: found.Name, unknown: found.Ended == nil}
		for _, argument := range found.Arguments {
			asked.arguments = append(asked.arguments, parseValue(argument))
		}
		last = later(last, found.Started)
		if found.Ended != nil {
			operation.Return = *found.Ended
			operation.Output = parseValue(found.Result)
			last = later(last, *found.Ended)
		}
		operation.Input = asked
		name := part{found.Model, found.Key}
		parts[name] = append(parts[name], operation)
	}
	if err := lines.Err(); err != nil {
		fail("%s: %v", file, err)
	}
	for _, operations := range parts {
		for number := range operations {
			operations[number].ClientId = number // Porcupine uses it for pictures alone
			if operations[number].Return < 0 {
				operations[number].Return = last + 1
			}
		}
	}
	return parts
}
