package sqldump

import (
	"fmt"
	"strconv"
)

// typeKind groups the types by how they are stored.
type typeKind uint8

const (
	otherKind typeKind = iota
	wholeKind
	boolKind
	floatKind
	numericKind
	textKind
	dateKind
	stampKind
	timeKind
	jsonKind
	byteaKind
	uuidKind
	intervalKind
)

// kindsByName are the types as the names of casts say them.
var kindsByName = map[string]typeKind{
	"int2": wholeKind, "int4": wholeKind, "int8": wholeKind, "oid": wholeKind, "bool": boolKind, "float4": floatKind, "float8": floatKind,
	"numeric": numericKind, "text": textKind, "varchar": textKind, "bpchar": textKind, "name": textKind, "char": textKind,
	"date": dateKind, "timestamp": stampKind, "timestamptz": stampKind, "time": timeKind, "json": jsonKind, "jsonb": jsonKind,
	"bytea": byteaKind, "uuid": uuidKind, "interval": intervalKind,
}

// kindsByOID are the same types by the numbers that PostgreSQL gives them
// (catalog pg_type), as casts name what they come from; 0 is not declared.
var kindsByOID = map[string]typeKind{
	"21": wholeKind, "23": wholeKind, "20": wholeKind, "26": wholeKind, "16": boolKind, "700": floatKind, "701": floatKind,
	"1700": numericKind, "25": textKind, "1043": textKind, "1042": textKind, "19": textKind, "18": textKind, "705": textKind,
	"1082": dateKind, "1114": stampKind, "1184": stampKind, "1083": timeKind, "114": jsonKind, "3802": jsonKind,
	"17": byteaKind, "2950": uuidKind, "1186": intervalKind,
}

// cast is q_cast_T and q_assign_T: the value, the OID of its type, and, if there
// are, T's modifier and the time zone.
func cast(to string) translator {
	kind := kindsByName[to]
	return func(c *functionCall) (string, fidelity, bool) {
		if len(c.args) < 2 {
			return "", near, false
		}
		modifier := -1
		if len(c.args) > 2 {
			if m, err := strconv.Atoi(c.args[2].literal); err == nil {
				modifier = m
			}
		}
		template, f := castTemplate(kind, kindsByOID[c.args[1].literal], modifier)
		if to == "float4" {
			f = near
		}
		return c.fill(template), f, template != ""
	}
}

func castTemplate(to, from typeKind, modifier int) (template string, f fidelity) {
	switch to {
	case wholeKind:
		return castToWhole(from)
	case boolKind:
		if from == boolKind {
			return "$1", exact
		}
		if from == wholeKind {
			return "($1 <> 0)", exact
		}
	case floatKind:
		return "CAST(#1 AS REAL)", near
	case numericKind:
		if modifier > 4 {
			return fmt.Sprintf("round(#1, %d)", (modifier-4)&0x7ff), near
		}
		if from == wholeKind || from == numericKind {
			return "$1", exact
		}
		return "CAST(#1 AS NUMERIC)", near
	case textKind:
		return castToText(from, modifier)
	case dateKind, stampKind, timeKind:
		return castToTime(to, from)
	case jsonKind:
		if from == jsonKind {
			return "$1", near
		}
		return "json(#1)", near
	case byteaKind:
		return "CAST(#1 AS BLOB)", near
	case uuidKind:
		return "lower(#1)", near
	case intervalKind:
		if from == intervalKind {
			return "$1", near
		}
	}
	return "", near
}

func castToWhole(from typeKind) (template string, f fidelity) {
	switch from {
	case wholeKind, boolKind:
		return "$1", exact
	case floatKind, numericKind:
		return "CAST(round(#1) AS INTEGER)", near
	}
	return "CAST(#1 AS INTEGER)", near
}

func castToText(from typeKind, modifier int) (template string, f fidelity) {
	switch {
	case modifier > 4 && from == textKind:
		return fmt.Sprintf("substr(#1, 1, %d)", modifier-4), near
	case from == textKind:
		return "$1", near
	case from == boolKind:
		return "CASE $1 WHEN 1 THEN 'true' WHEN 0 THEN 'false' END", near
	case from == wholeKind && modifier < 0:
		return "CAST(#1 AS TEXT)", exact
	case from == stampKind:
		return "rtrim(rtrim(#1, '0'), '.')", near
	}
	return "CAST(#1 AS TEXT)", near
}

func castToTime(to, from typeKind) (template string, f fidelity) {
	switch {
	case to == from:
		return "$1", near
	case to == dateKind && from == stampKind:
		return "substr(#1, 1, 10)", near
	case to == timeKind && from == stampKind:
		return "substr(#1, 12)", near
	case to == stampKind && from == dateKind:
		return "($1 || ' 00:00:00.000000')", near
	case to == dateKind:
		return "date(#1)", near
	case to == stampKind:
		return "strftime(" + stampFormat + ", #1)", near
	}
	return "strftime(" + clockFormat + ", #1)", near
}
