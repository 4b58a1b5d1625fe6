// Package jsonpath reads MySQL's JSON path syntax ("JSON Path Syntax" in its manual), as far as a path names one value.
package jsonpath
