//! Bodies and answers as the providers send them, and every trap that is known: for tests, for ready-made events and for
//! stand-ins of the providers. What is called documented is the provider's own public sample, verbatim.

/// A fixture by its name, such as `voltus/webhook_create.json`.
pub fn named(name: &str) -> Option<&'static str> {
    all().find(|(known, _)| *known == name).map(|(_, text)| text)
}

/// All fixtures of all providers with their names.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    [voltus::ALL, leap::ALL, nvgrid::ALL, openvolt::ALL].into_iter().flatten().copied()
}

/// One constant a file, and the table of them all.
macro_rules! fixtures {
    ($folder:literal $($name:ident $file:literal $what:literal)*) => {
        $(
            #[doc = $what]
            pub const $name: &str = include_str!(concat!($folder, "/fixtures/", $file, ".json"));
        )*
        /// All of them with their names, such as `voltus/webhook_create.json`.
        pub const ALL: &[(&str, &str)] = &[$((concat!($folder, "/", $file, ".json"), $name)),*];
    };
}

/// Voltus: thin webhooks, and answers about the dispatch `dkmq`.
pub mod voltus {
    fixtures! { "voltus"
        WEBHOOK_PING "webhook_ping" "The registration handshake, as documented."
        WEBHOOK_CREATE "webhook_create" "A dispatch `dkmq` was created, as documented."
        WEBHOOK_UPDATE "webhook_update" "The dispatch `dkmq` changed, as documented."
        WEBHOOK_UNKNOWN_EVENT "webhook_unknown_event" "An event of a name that is not documented, and fields that came without notice."
        WEBHOOK_FOREIGN_HOST "webhook_foreign_host" "A resource that names a foreign host."
        WEBHOOK_OTHER_HOST "webhook_other_host" "A resource that names a foreign host without a scheme."
        WEBHOOK_TRAVERSAL "webhook_traversal" "A resource that climbs out of its path."
        WEBHOOK_WITHOUT_RESOURCE "webhook_without_resource" "A null where the resource belongs."
        ANSWER_LIST "answer_list" "The dispatch `dkmq` in a list, as documented."
        ANSWER_BARE "answer_bare" "The same dispatch as a bare object."
        ANSWER_CREATED "answer_created" "The dispatch with today's fields, `modification_number` 0."
        ANSWER_UPDATED "answer_updated" "`modification_number` 1: it ends later."
        ANSWER_CANCELLED "answer_cancelled" "`modification_number` 2: `authorized` is false."
        ANSWER_SELF_TEST "answer_self_test" "A production self-test: `test` is true."
        ANSWER_OPEN_END_OMITTED "answer_open_end_omitted" "Without `end_time`: it ends when an update says so."
        ANSWER_OPEN_END_NULL "answer_open_end_null" "The same, written as null."
        ANSWER_ENDED "answer_ended" "An update that ended it, `end_time` 2023-12-01T16:44:59Z."
        ANSWER_NINE_DIGITS "answer_nine_digits" "Times with nine and more digits of a second, and an offset."
        ANSWER_UNKNOWN_FIELDS "answer_unknown_fields" "Fields that came without notice, empty texts, a null commitment."
        ANSWER_PROGRAM_NULL "answer_program_null" "Nulls for `program` and `authorized`."
        ANSWER_NO_SITES "answer_no_sites" "An empty list of sites."
        ANSWER_IMPOSSIBLE_COMMITMENT "answer_impossible_commitment" "Commitments that no site can be asked for."
        ANSWER_NUMBERS_AS_TEXT "answer_numbers_as_text" "Numbers written as text."
        ANSWER_UNREADABLE_SITE "answer_unreadable_site" "Two sites of four cannot be read."
        ANSWER_SITE_TWICE "answer_site_twice" "One site twice alike, one twice with different commitments."
        ANSWER_OTHER_ID "answer_other_id" "Another dispatch than was asked for."
        ANSWER_AMONG_OTHERS "answer_among_others" "The dispatch among others."
        LIST_DAY "list_day" "A day's list: to come, over, cancelled, a self-test."
        LIST_DOUBTS "list_doubts" "A list of which half can be read, one dispatch twice."
        LIST_MISSING "list_missing" "An error's object where a list belongs."
        LIST_NO_LIST "list_no_list" "An object where the list belongs."
        LIST_NULL "list_null" "A null for an empty list."
        ANSWER_EMPTY_LIST "answer_empty_list" "No dispatch at all."
        ANSWER_ERROR "answer_error" "Voltus' error object."
        ANSWER_NO_START "answer_no_start" "A null `start_time`."
        ANSWER_UNREADABLE_END "answer_unreadable_end" "An `end_time` that is no time."
        ANSWER_UNREADABLE_TEST "answer_unreadable_test" "A `test` that is neither true nor false."
        ANSWER_HALF_PAIR "answer_half_pair" "Half of a surrogate pair in two names."
        ANSWER_ODD_TYPES "answer_odd_types" "Fields of other types than documented."
        ANSWER_ODD_STRUCTURE "answer_odd_structure" "Neither `program` nor `sites` is what it should be, and `end_time` counts seconds."
        ANSWER_END_9999 "answer_end_9999" "An `end_time` for ever."
        ANSWER_END_10000 "answer_end_10000" "An `end_time` after all years that can be written."
        ANSWER_END_NEVER_SET "answer_end_never_set" "An `end_time` that was never set, as Go writes it."
        ANSWER_END_ZERO "answer_end_zero" "An `end_time` that was never set, as a database writes it."
        ANSWER_END_1970 "answer_end_1970" "An `end_time` that was never set, as Unix has it."
        ANSWER_END_AT_START "answer_end_at_start" "An `end_time` at the start."
        ANSWER_END_WITHIN_A_MICROSECOND "answer_end_within_a_microsecond" "An `end_time` that is cut off to the start."
        ANSWER_START_NEVER_SET "answer_start_never_set" "A `start_time` that was never set."
        ANSWER_WRAPPED "answer_wrapped" "The dispatch under its name."
        ANSWER_BARE_LIST "answer_bare_list" "A list without anything around it."
        ANSWER_WRAPPED_LIST "answer_wrapped_list" "The list of one, wrapped once more."
        ANSWER_TWO_WRAPPED "answer_two_wrapped" "Two dispatches that an object holds: which is meant cannot be told."
        ANSWER_NUMBERS_THAT_PARSERS_REFUSE "answer_numbers_that_parsers_refuse" "NaN, infinite and endless numbers in names and in metadata."
        ANSWER_ONE_AS_DISPATCHES "answer_one_as_dispatches" "The dispatch itself where a list of dispatches belongs."
        ANSWER_DECIMAL_COMMAS "answer_decimal_commas" "Times with a decimal comma."
        LIST_BARE "list_bare" "The day's list without anything around it."
        LIST_ODD "list_odd" "A list of which each dispatch has something odd, and none is lost."
        WEBHOOK_WRAPPED "webhook_wrapped" "A webhook in a list of one."
        WEBHOOK_ODD_EVENT "webhook_odd_event" "A webhook whose `event` is a number."
    }
}

/// Leap: notifications, and answers of the search.
pub mod leap {
    fixtures! { "leap"
        NOTIFICATION_METER "notification_meter" "The documented meter notification, an integration test."
        NOTIFICATION_GROUP "notification_group" "The documented group notification, an integration test."
        NOTIFICATION_METER_REAL "notification_meter_real" "The documented meter notification, as if it were real."
        NOTIFICATION_GROUP_REAL "notification_group_real" "The documented group notification, as if it were real."
        NOTIFICATION_METER_CANCELLED "notification_meter_cancelled" "The first event of the documented meter notification, cancelled."
        NOTIFICATION_COMMUNICATION_TEST "notification_communication_test" "A communication test."
        NOTIFICATION_BOTH_LEVELS "notification_both_levels" "Meters and groups in one body."
        NOTIFICATION_NULL_LIST "notification_null_list" "A null for the level that is not used."
        NOTIFICATION_EMPTY_LIST "notification_empty_list" "A list without items."
        NOTIFICATION_NEITHER "notification_neither" "Neither list."
        NOTIFICATION_EVENT_OF_SEVERAL_METERS "notification_event_of_several_meters" "One event of three meters."
        NOTIFICATION_EVENT_OF_SEVERAL_GROUPS "notification_event_of_several_groups" "One event of two groups that share a meter, one of them listed twice."
        NOTIFICATION_METER_TWICE "notification_meter_twice" "One slot three times."
        NOTIFICATION_METER_TWICE_DIFFERS "notification_meter_twice_differs" "One event that asks one meter for different amounts."
        NOTIFICATION_PARTLY_CANCELLED "notification_partly_cancelled" "One event, cancelled for one meter of two."
        NOTIFICATION_GROUP_PARTLY_CANCELLED "notification_group_partly_cancelled" "One event, cancelled for one group of two."
        NOTIFICATION_WINDOWS_DIFFER "notification_windows_differ" "One event whose meters have different times."
        NOTIFICATION_OVERLAP "notification_overlap" "One meter in two overlapping events of different priority."
        NOTIFICATION_ENERGY "notification_energy" "`energy_kw` as null, missing, text, and at both of its bounds."
        NOTIFICATION_IMPOSSIBLE_ENERGY "notification_impossible_energy" "`energy_kw` that nobody can be asked for."
        NOTIFICATION_UNREADABLE_SLOT "notification_unreadable_slot" "Three slots of five cannot be read."
        NOTIFICATION_UNREADABLE_ITEM "notification_unreadable_item" "Three items of four cannot be read, nor the list of groups."
        NOTIFICATION_DOUBTS "notification_doubts" "A slot whose secondary fields cannot be read."
        NOTIFICATION_UNKNOWN_FIELDS "notification_unknown_fields" "Fields, programs and types that came without notice."
        NOTIFICATION_UNREADABLE_FLAG "notification_unreadable_flag" "A test flag that is neither true nor false."
        NOTIFICATION_GROUP_REFERENCES "notification_group_references" "`partner_references`, and one meter id that cannot be read."
        SEARCH_METER "search_meter" "A search that finds the event 11cfced0-… among others."
        SEARCH_METER_CANCELLED "search_meter_cancelled" "A search that finds it cancelled."
        SEARCH_METER_COMMUNICATION_TEST "search_meter_communication_test" "A search that finds a communication test."
        SEARCH_METER_AS_NOTIFICATION "search_meter_as_notification" "A search that answers in the notification's shape."
        SEARCH_METER_MISSING "search_meter_missing" "A search that finds another event only."
        SEARCH_METER_EMPTY "search_meter_empty" "A search that finds nothing."
        SEARCH_METER_UNREADABLE "search_meter_unreadable" "A search whose slots cannot be read."
        SEARCH_METER_PAGE_1 "search_meter_page_1" "The first of two pages."
        SEARCH_METER_PAGE_2 "search_meter_page_2" "The second of two pages."
        SEARCH_METER_ERROR "search_meter_error" "Leap's error object."
        LIST_METER "list_meter" "All that the search of meters finds: a 5-minute event, one cancelled, a communication test."
        LIST_METER_DOUBTS "list_meter_doubts" "The same with items and slots that cannot be read."
        LIST_METER_EMPTY "list_meter_empty" "Nothing at all."
        LIST_METER_ERROR "list_meter_error" "Leap's error object where a list belongs."
        LIST_GROUP "list_group" "The group's view of the first event of `list_meter`."
        LIST_GROUP_NULL "list_group_null" "A null for an empty list."
        SEARCH_GROUP "search_group" "A group search that finds the event 114751e8-…."
        SEARCH_GROUP_CANCELLED "search_group_cancelled" "A group search that finds it cancelled."
        NOTIFICATION_HALF_PAIR "notification_half_pair" "Half of a surrogate pair in a program and in a reference."
        NOTIFICATION_ODD_TYPES "notification_odd_types" "Slots with fields of other types than documented."
        NOTIFICATION_ENDS "notification_ends" "Slots whose ends cannot be, or are for ever."
        NOTIFICATION_ONE_END_BEFORE_ITS_START "notification_one_end_before_its_start" "One event of two meters, of which one ends before it starts."
        NOTIFICATION_ENDS_BEFORE_THEIR_STARTS "notification_ends_before_their_starts" "One event of two meters that both end before they start, though one ends after the other's start."
        NOTIFICATION_GROUP_MANY_ODD_REFERENCES "notification_group_many_odd_references" "More unreadable references than are reported, an end and a priority that cannot be."
        NOTIFICATION_PRIORITIES "notification_priorities" "Priorities within and beyond 1 to 10."
        NOTIFICATION_NO_METER "notification_no_meter" "A slot with an event and a start, of no meter."
        NOTIFICATION_GROUP_PAIRED_REFERENCES "notification_group_paired_references" "As many `partner_references` as `meter_ids`, of each one that cannot be read."
        NOTIFICATION_GROUP_ODD "notification_group_odd" "A group without a readable id or meters."
        NOTIFICATION_WRAPPED "notification_wrapped" "A notification wrapped once."
        SEARCH_METER_BARE "search_meter_bare" "A search that answers with a list without anything around it."
        SEARCH_METER_WRAPPED "search_meter_wrapped" "A search whose page is wrapped once more."
        SEARCH_METER_ODD "search_meter_odd" "A search that finds it with an odd slot."
    }
}

/// NvGrid: payloads of power events.
pub mod nvgrid {
    fixtures! { "nvgrid"
        START_RAMP_DOWN "start_ramp_down" "The documented payload."
        END_RAMP_DOWN "end_ramp_down" "The end of the same ramp: the target is met."
        START_RAMP_UP "start_ramp_up" "The target is lifted again."
        END_RAMP_UP "end_ramp_up" "The end of that ramp."
        WITHOUT_FEED "without_feed" "The documented test payload, without `feed_tag`."
        END_RAMP_DOWN_OTHER_UNIT "end_ramp_down_other_unit" "`end_ramp_down` once more, in other units and spellings."
        END_RAMP_DOWN_NOT_COMPLIANT "end_ramp_down_not_compliant" "The end of the ramp: the target is missed."
        FOR_EVER "for_ever" "Nulls for all that may be missing."
        UNKNOWN_EVENT "unknown_event" "An event that is not documented."
        UNREADABLE_MEASUREMENT "unreadable_measurement" "Measurements that cannot be read."
        UNREADABLE_TARGET "unreadable_target" "A target in an unknown unit."
        ODD_TYPES "odd_types" "Fields of other types than documented."
        HALF_PAIR "half_pair" "Half of a surrogate pair in the feed and the strategy."
        END_9999 "end_9999" "A target for ever, in so many words."
        END_NEVER_SET "end_never_set" "An end that was never set."
        END_AT_START "end_at_start" "An end at the start."
        START_NEVER_SET "start_never_set" "A start that was never set."
        WRAPPED "wrapped" "A payload wrapped once."
    }
}

/// Openvolt: webhooks, and interval data of `webhook_meter_data`.
pub mod openvolt {
    fixtures! { "openvolt"
        WEBHOOK_ENVELOPE "webhook_envelope" "The documented envelope, payload and all: it names no meter."
        WEBHOOK_METER_DATA "webhook_meter_data" "Two hours of new data of one meter."
        WEBHOOK_SINGLE_PERIOD "webhook_single_period" "The same, the payload a bare object."
        WEBHOOK_WITHOUT_DELIVERY_ID "webhook_without_delivery_id" "The same without `delivery_id`."
        WEBHOOK_CAMEL_CASE "webhook_camel_case" "The same in camel case."
        WEBHOOK_SEVERAL_PERIODS "webhook_several_periods" "Three periods of two meters, one of which ends before it starts."
        WEBHOOK_BACKFILL "webhook_backfill" "Thirteen months of one meter."
        WEBHOOK_UNREADABLE_PERIODS "webhook_unreadable_periods" "One period of seven can be read."
        WEBHOOK_NO_READABLE_PERIOD "webhook_no_readable_period" "No period of two can be read."
        WEBHOOK_EMPTY_LIST "webhook_empty_list" "No period at all."
        WEBHOOK_CUSTOMER_CREATED "webhook_customer_created" "An event of the account."
        WEBHOOK_USER_CREATED "webhook_user_created" "An event of the account whose payload is an empty text."
        WEBHOOK_METER_CREATED "webhook_meter_created" "An event of the account: a test meter."
        WEBHOOK_HOSTED_CONSENT_APPROVED "webhook_hosted_consent_approved" "An event of the account."
        WEBHOOK_HOSTED_CONSENT_REVOKED "webhook_hosted_consent_revoked" "An event of the account whose payload is null."
        WEBHOOK_API_KEYS_ROTATED "webhook_api_keys_rotated" "An event of the account that may cost us our key."
        WEBHOOK_UNKNOWN_EVENT "webhook_unknown_event" "An event that is not documented."
        WEBHOOK_NO_TYPE "webhook_no_type" "An `event_id` that is no type."
        WEBHOOK_WITHOUT_TYPE "webhook_without_type" "A null `event_id`."
        WEBHOOK_ACCOUNT_WITHOUT_DELIVERY_ID "webhook_account_without_delivery_id" "An event of the account without `delivery_id`."
        ANSWER_WIDER "answer_wider" "Interval data of `webhook_meter_data`, from an hour before to an hour after."
        ANSWER_EXACT "answer_exact" "The same, cut at the period's ends."
        ANSWER_GAPS_AND_TEXTS "answer_gaps_and_texts" "Consumption as null, text, negative and without a unit."
        ANSWER_UNSORTED "answer_unsorted" "Rows out of order, one start twice."
        ANSWER_CAMEL_CASE "answer_camel_case" "Rows in camel case."
        ANSWER_UNREADABLE_ROWS "answer_unreadable_rows" "Four rows of seven cannot be read."
        ANSWER_NO_READABLE_ROW "answer_no_readable_row" "No row can be read."
        ANSWER_EMPTY "answer_empty" "No rows."
        ANSWER_NULL_DATA "answer_null_data" "A null for the rows."
        ANSWER_OTHER_METER "answer_other_meter" "A row of another meter."
        ANSWER_ERROR "answer_error" "An error object."
        WEBHOOK_ODD_ENVELOPE "webhook_odd_envelope" "An envelope whose secondary fields cannot be read."
        WEBHOOK_HALF_PAIR "webhook_half_pair" "Half of a surrogate pair in the payload."
        WEBHOOK_PERIOD_ENDS "webhook_period_ends" "Periods that have no end, or one that cannot be."
        WEBHOOK_WRAPPED "webhook_wrapped" "A webhook in a list of one."
        WEBHOOK_KEYS_ROTATED_ODDLY "webhook_keys_rotated_oddly" "Rotated keys in another case, with an odd payload and without a delivery."
        ANSWER_ODD_TYPES "answer_odd_types" "Fields of other types than documented, and energy that no meter counts."
        ANSWER_BARE "answer_bare" "Rows without anything around them."
        ANSWER_WRAPPED "answer_wrapped" "An answer wrapped once."
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn every_file_is_exported_and_is_json() {
        let exported: BTreeSet<String> = all().map(|(name, _)| name.to_owned()).collect();
        let mut files = BTreeSet::new();
        for provider in crate::PROVIDERS.iter().map(|provider| provider.name()) {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(provider).join("fixtures");
            for entry in fs::read_dir(folder).unwrap() {
                files.insert(format!("{provider}/{}", entry.unwrap().file_name().to_string_lossy()));
            }
        }
        assert_eq!(exported, files);
        for (name, text) in all() {
            assert!(crate::lenient::json(text).is_ok(), "{name}");
        }
        assert_eq!(named("voltus/webhook_create.json"), Some(voltus::WEBHOOK_CREATE));
    }
}
