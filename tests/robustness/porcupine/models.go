package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// value is a JSON value in its compact spelling, by which values are compared.
type value string

func parseValue(raw json.RawMessage) value {
	if len(raw) == 0 {
		return "null"
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		fail("a value that is no JSON: %s", raw)
	}
	return value(compact.String())
}

func (v value) number() int64 {
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil {
		fail("%s stands where an integer has to", v)
	}
	return n
}

func text(s string) value {
	return value(strconv.Quote(s))
}

func truth(b bool) value {
	return value(strconv.FormatBool(b))
}

// call is what a client asked for.
type call struct {
	model     string
	name      string
	arguments []value
	// unknown says that its outcome is: it fits with every answer.
	unknown bool
}

// object is one model: the state at first, and the answer to a call in a state with the state after it. States are
// compared by ==.
type object struct {
	start func() any
	apply func(state any, c call) (value, any)
}

var objects = map[string]object{
	"register": {start: absent, apply: register},
	"document": {start: absent, apply: document},
	"record":   {start: absent, apply: record},
	"run":      {start: absent, apply: run},
	"log":      {start: func() any { return &entry{} }, apply: log},
}

func absent() any {
	return value("null")
}

func register(state any, c call) (value, any) {
	now := state.(value)
	switch c.name {
	case "read":
		return now, now
	case "write":
		return "null", c.arguments[0]
	case "swap":
		return swap(now, c.arguments[0], c.arguments[1])
	}
	return unknownCall(c)
}

func swap(now, expected, next value) (value, any) {
	if now == expected {
		return "true", next
	}
	return "false", now
}

// document has null, or [revision,number].
func document(state any, c call) (value, any) {
	now := state.(value)
	revision := int64(0)
	if now != "null" {
		var parts []json.RawMessage
		if err := json.Unmarshal([]byte(now), &parts); err != nil {
			fail("%s is no document", now)
		}
		revision = parseValue(parts[0]).number()
	}
	refused := value(fmt.Sprintf(`["is",%d]`, revision))
	switch c.name {
	case "get":
		return now, now
	case "put_if_revision":
		if expected := c.arguments[0].number(); expected == revision {
			return "true", value(fmt.Sprintf("[%d,%s]", expected+1, c.arguments[1]))
		}
		return refused, now
	case "put_if_absent":
		return swap(now, "null", value(fmt.Sprintf("[1,%s]", c.arguments[0])))
	case "delete_if_revision":
		if c.arguments[0].number() == revision {
			return "true", value("null")
		}
		return refused, now
	}
	return unknownCall(c)
}

func record(state any, c call) (value, any) {
	now := state.(value)
	switch c.name {
	case "get":
		return now, now
	case "insert":
		switch now {
		case "null":
			return text("stored"), c.arguments[0]
		case c.arguments[0]:
			return text("equal"), now
		}
		return text("conflict"), now
	case "compare_and_put":
		return swap(now, c.arguments[0], c.arguments[1])
	case "compare_and_delete":
		return swap(now, c.arguments[0], "null")
	}
	return unknownCall(c)
}

func run(state any, c call) (value, any) {
	now := state.(value)
	switch c.name {
	case "get":
		return now, now
	case "create":
		return swap(now, "null", text("pending"))
	case "swap":
		if now == text("completed") || now == text("failed") || now == text("canceled") {
			return "false", now
		}
		return swap(now, c.arguments[0], c.arguments[1])
	}
	return unknownCall(c)
}

// entry is the last entry of a log with those before it; there is one for the same entries, so that == compares logs.
type entry struct {
	before    *entry
	cursor    int64
	number    value
	followers map[value]*entry
}

func (e *entry) followedBy(number value) *entry {
	next, there := e.followers[number]
	if !there {
		next = &entry{before: e, cursor: e.cursor + 1, number: number}
		if e.followers == nil {
			e.followers = map[value]*entry{}
		}
		e.followers[number] = next
	}
	return next
}

func log(state any, c call) (value, any) {
	now := state.(*entry)
	switch c.name {
	case "append":
		longer, cursors := now, []int64{}
		for _, number := range c.arguments {
			longer = longer.followedBy(number)
			cursors = append(cursors, longer.cursor)
		}
		return marshalled(cursors), longer
	case "poll":
		after, limit := c.arguments[0].number(), c.arguments[1].number()
		found := [][2]json.RawMessage{}
		for e := now; e.before != nil && e.cursor > after; e = e.before {
			if e.cursor-after <= limit {
				cursor := json.RawMessage(strconv.FormatInt(e.cursor, 10))
				found = append(found, [2]json.RawMessage{cursor, json.RawMessage(e.number)})
			}
		}
		for i, j := 0, len(found)-1; i < j; i, j = i+1, j-1 {
			found[i], found[j] = found[j], found[i]
		}
		return marshalled(found), now
	case "latest":
		return value(strconv.FormatInt(now.cursor, 10)), now
	}
	return unknownCall(c)
}

func marshalled(v any) value {
	bytes, err := json.Marshal(v)
	if err != nil {
		fail("%v cannot be written as JSON", v)
	}
	return value(bytes)
}

func unknownCall(c call) (value, any) {
	fail("model %q has no call %q", c.model, c.name)
	return "", nil
}
