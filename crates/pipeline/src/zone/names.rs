//! The names of zones, and the zones of markets.

/// Names of one zone, or of several zones with the same names.
pub(super) struct Abbreviation {
    /// In upper case, without "Time" and without the season before it.
    pub(super) spellings: &'static [&'static str],
    /// The zones with these names. The market chooses one; without a market it is the first.
    pub(super) homes: &'static [&'static str],
    /// No zone is likelier than the others: only the market can decide.
    pub(super) only_by_market: bool,
}

const fn names(spellings: &'static [&'static str], homes: &'static [&'static str]) -> Abbreviation {
    Abbreviation { spellings, homes, only_by_market: false }
}

pub(super) const ABBREVIATIONS: &[Abbreviation] = &[
    names(&["UTC", "UCT", "UT", "Z", "ZULU", "COORDINATED UNIVERSAL"], &["UTC"]),
    // North America. Its markets call local time "Prevailing".
    names(
        &["PST", "PDT", "PT", "PPT", "PACIFIC", "US/PACIFIC", "US PACIFIC", "PST8PDT"],
        &["America/Los_Angeles", "America/Vancouver", "America/Tijuana"],
    ),
    names(
        &["MST", "MDT", "MT", "MPT", "MOUNTAIN", "US/MOUNTAIN", "US MOUNTAIN", "MST7MDT"],
        &["America/Denver", "America/Edmonton", "America/Phoenix"],
    ),
    // The Windows name.
    names(&["US MOUNTAIN STANDARD", "ARIZONA", "US/ARIZONA"], &["America/Phoenix"]),
    names(
        &["CST", "CDT", "CT", "CPT", "CENTRAL", "US/CENTRAL", "US CENTRAL", "CST6CDT"],
        &["America/Chicago", "America/Winnipeg", "America/Regina", "America/Mexico_City", "Asia/Shanghai"],
    ),
    // `EST` is the IANA zone of that name, without daylight saving time, in which MISO's market runs.
    names(&["EST"], &["America/New_York", "America/Toronto", "EST"]),
    names(
        &["EDT", "ET", "EPT", "EASTERN", "US/EASTERN", "US EASTERN", "EST5EDT"],
        &["America/New_York", "America/Toronto"],
    ),
    names(&["AST", "ADT", "ATLANTIC"], &["America/Halifax", "America/Puerto_Rico"]),
    names(&["NST", "NDT", "NEWFOUNDLAND"], &["America/St_Johns"]),
    names(&["AKST", "AKDT", "AKT", "ALASKA", "ALASKAN", "US/ALASKA"], &["America/Anchorage"]),
    names(&["HST", "HDT", "HAST", "HADT", "HAWAII", "HAWAIIAN", "US/HAWAII"], &["Pacific/Honolulu"]),
    // Europe. Software also calls UTC GMT, so GMT means a place with daylight saving time only with a market.
    names(&["GMT", "GREENWICH MEAN"], &["GMT", "Europe/London", "Europe/Dublin"]),
    names(&["BST", "BRITISH", "UK"], &["Europe/London"]),
    names(
        &["CET", "CEST", "MEZ", "MESZ", "CENTRAL EUROPEAN", "W. EUROPE", "ROMANCE", "CENTRAL EUROPE"],
        &[
            "Europe/Brussels",
            "Europe/Amsterdam",
            "Europe/Berlin",
            "Europe/Copenhagen",
            "Europe/Madrid",
            "Europe/Oslo",
            "Europe/Paris",
            "Europe/Rome",
            "Europe/Stockholm",
            "Europe/Vienna",
            "Europe/Warsaw",
            "Europe/Zurich",
        ],
    ),
    names(
        &["EET", "EEST", "EASTERN EUROPEAN"],
        &["Europe/Athens", "Europe/Bucharest", "Europe/Helsinki", "Europe/Riga", "Europe/Tallinn", "Europe/Vilnius"],
    ),
    names(&["WET", "WEST", "WESTERN EUROPEAN"], &["Europe/Lisbon"]),
    Abbreviation {
        spellings: &["IST"],
        homes: &["Asia/Kolkata", "Europe/Dublin", "Asia/Jerusalem"],
        only_by_market: true,
    },
    // Asia, Africa and the Pacific. The market on Australia's east coast has no daylight saving time.
    names(&["INDIA", "INDIAN", "INDIA STANDARD"], &["Asia/Kolkata"]),
    names(&["JST", "JAPAN", "TOKYO"], &["Asia/Tokyo"]),
    names(&["KST", "KOREA"], &["Asia/Seoul"]),
    names(&["SGT", "SINGAPORE"], &["Asia/Singapore"]),
    names(&["HKT"], &["Asia/Hong_Kong"]),
    names(&["SAST", "SOUTH AFRICA"], &["Africa/Johannesburg"]),
    names(&["AEST", "AET", "AUSTRALIAN EASTERN"], &["Australia/Sydney", "Australia/Brisbane"]),
    names(&["AEDT"], &["Australia/Sydney"]),
    names(&["ACST", "ACDT", "AUSTRALIAN CENTRAL"], &["Australia/Adelaide", "Australia/Darwin"]),
    names(&["AWST", "AUSTRALIAN WESTERN"], &["Australia/Perth"]),
    names(&["NZST", "NZDT", "NEW ZEALAND"], &["Pacific/Auckland"]),
];

/// Markets and system operators, in upper case and without punctuation, with the zone that they use.
pub(super) const MARKETS: &[(&[&str], &str)] = &[
    (&["CAISO", "CALIFORNIAISO", "PGE", "SCE", "SDGE", "LADWP", "BPA"], "America/Los_Angeles"),
    (&["BCHYDRO", "POWEREX"], "America/Vancouver"),
    (&["ERCOT", "SPP", "SOUTHWESTPOWERPOOL"], "America/Chicago"),
    (&["MANITOBAHYDRO"], "America/Winnipeg"),
    (&["SASKPOWER"], "America/Regina"),
    (&["CENACE"], "America/Mexico_City"),
    (&["PJM", "NYISO", "NEWYORKISO", "ISONE", "NEISO", "ISONEWENGLAND", "TVA", "CONED"], "America/New_York"),
    (&["MISO", "MIDCONTINENTISO"], "EST"),
    (&["IESO", "ONTARIO", "HYDROQUEBEC"], "America/Toronto"),
    (&["AESO", "ALBERTA"], "America/Edmonton"),
    (&["APS", "SRP"], "America/Phoenix"),
    (&["PREPA", "LUMA"], "America/Puerto_Rico"),
    (&["NATIONALGRID", "NATIONALGRIDESO", "NGESO", "NESO", "ELEXON", "GB", "UK"], "Europe/London"),
    (&["EIRGRID", "SEM", "ISEM", "SEMO"], "Europe/Dublin"),
    (&["RTE", "FRANCE", "FR"], "Europe/Paris"),
    (&["ELIA", "BELGIUM", "BE"], "Europe/Brussels"),
    (&["TENNET", "TENNETNL", "NETHERLANDS", "NL"], "Europe/Amsterdam"),
    (&["50HERTZ", "AMPRION", "TRANSNETBW", "TENNETDE", "GERMANY", "DE"], "Europe/Berlin"),
    (&["ENERGINET", "DENMARK", "DK"], "Europe/Copenhagen"),
    (&["REE", "SPAIN", "ES"], "Europe/Madrid"),
    (&["REN", "PORTUGAL", "PT"], "Europe/Lisbon"),
    (&["STATNETT", "NORWAY", "NO"], "Europe/Oslo"),
    (&["TERNA", "ITALY", "IT"], "Europe/Rome"),
    (&["SVENSKAKRAFTNAT", "SVK", "SWEDEN", "SE"], "Europe/Stockholm"),
    (&["APG", "AUSTRIA", "AT"], "Europe/Vienna"),
    (&["PSE", "POLAND", "PL"], "Europe/Warsaw"),
    (&["SWISSGRID", "SWITZERLAND", "CH"], "Europe/Zurich"),
    (&["FINGRID", "FINLAND", "FI"], "Europe/Helsinki"),
    (&["ELERING", "ESTONIA"], "Europe/Tallinn"),
    (&["AST", "LATVIA"], "Europe/Riga"),
    (&["LITGRID", "LITHUANIA"], "Europe/Vilnius"),
    (&["TRANSELECTRICA", "ROMANIA"], "Europe/Bucharest"),
    (&["ADMIE", "IPTO", "GREECE"], "Europe/Athens"),
    (&["AEMO", "NEM"], "Australia/Brisbane"),
    (&["WEM", "SWIS"], "Australia/Perth"),
    (&["TRANSPOWER", "NZEM"], "Pacific/Auckland"),
    (&["OCCTO", "JEPX", "TEPCO"], "Asia/Tokyo"),
    (&["KPX", "KEPCO"], "Asia/Seoul"),
    (&["EMA", "EMC", "NEMS"], "Asia/Singapore"),
    (&["POSOCO", "GRIDINDIA", "IEX", "INDIA"], "Asia/Kolkata"),
    (&["NOGA", "ISRAEL"], "Asia/Jerusalem"),
    (&["SGCC", "CSG", "CHINA"], "Asia/Shanghai"),
    (&["ESKOM"], "Africa/Johannesburg"),
];
