"""The tables of the firm's calendars. What must never happen is forbidden here, not only in the code above it."""

TABLES = """
CREATE TABLE IF NOT EXISTS office (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, time_zone TEXT NOT NULL, opens TEXT NOT NULL, closes TEXT NOT NULL, phone TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS professional (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, speciality TEXT NOT NULL, office_id TEXT NOT NULL REFERENCES office
) STRICT;
CREATE TABLE IF NOT EXISTS closure (
    office_id TEXT NOT NULL REFERENCES office, day TEXT NOT NULL, because TEXT NOT NULL, PRIMARY KEY (office_id, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS client (
    id TEXT PRIMARY KEY CHECK (id GLOB '1[0-9][0-9][0-9][0-9]'), name TEXT NOT NULL, email TEXT NOT NULL, phone TEXT NOT NULL,
    office_id TEXT NOT NULL REFERENCES office, time_zone TEXT NOT NULL, preferred_professional_id TEXT REFERENCES professional,
    preferred_part_of_day TEXT NOT NULL CHECK (preferred_part_of_day IN ('morning', 'afternoon', 'any')),
    preferred_channel TEXT NOT NULL CHECK (preferred_channel IN ('email', 'sms')), notes TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS appointment (
    number INTEGER PRIMARY KEY AUTOINCREMENT, client_id TEXT NOT NULL REFERENCES client,
    starts_s INTEGER NOT NULL CHECK (starts_s % 900 = 0), ends_s INTEGER NOT NULL CHECK (ends_s > starts_s AND ends_s % 900 = 0),
    purpose TEXT NOT NULL, status TEXT NOT NULL CHECK (status IN ('booked', 'cancelled')), cancelled_because TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS appointment_of_client ON appointment (client_id, starts_s);
CREATE TABLE IF NOT EXISTS attendance (
    number INTEGER NOT NULL REFERENCES appointment, professional_id TEXT NOT NULL REFERENCES professional,
    PRIMARY KEY (number, professional_id)
) STRICT, WITHOUT ROWID;
-- A calendar is a professional's or a client's. Two appointments in one quarter of an hour cannot both be stored, whatever the code does.
CREATE TABLE IF NOT EXISTS occupied (
    calendar_id TEXT NOT NULL, quarter INTEGER NOT NULL, number INTEGER REFERENCES appointment, PRIMARY KEY (calendar_id, quarter)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS occupied_by ON occupied (number);
-- What was asked for under a key is done once: the row is written in the transaction that does it.
CREATE TABLE IF NOT EXISTS request (
    key TEXT PRIMARY KEY, operation TEXT NOT NULL, digest TEXT NOT NULL, outcome TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS confirmation (
    number INTEGER PRIMARY KEY AUTOINCREMENT, appointment INTEGER NOT NULL REFERENCES appointment, channel TEXT NOT NULL,
    recipient TEXT NOT NULL, text TEXT NOT NULL, sent_s INTEGER NOT NULL
) STRICT;
"""

QUARTER_S = 900
"""Calendars are kept in quarters of an hour."""
