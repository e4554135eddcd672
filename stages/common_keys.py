"""Keys that many stages have, in words: said once, for documents. A stage that means something else by one of them says
so in a comment behind its field."""

COMMON_KEYS = {
    "types": "field = type: these fields are converted; a `timestamp` to RFC 3339 in UTC",
    "on_bad_type": 'a value that is not of its type: `"error"` makes the line a dead letter, `"null"` empties the '
    'field, `"string"` leaves the text',
    "time_formats": "how a `timestamp` may be written, tried in order: `rfc3339`, `unix` (seconds to nanoseconds), or "
    "directives of strptime such as `%d/%b/%Y %H:%M:%S`",
    "timezone": "of times that tell none, by its name, such as `Europe/Berlin`",
    "duplicates": 'the values of a repeated key: all as an array (`"array"`), or only the last or the first',
    "required": "an event without the field is a dead letter; else it goes on as it is",
}
