/** Every mistake has one message, at its place, in our words. Each case changes one thing of a tree that compiles. */
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/bundle/compile.ts'
import { compileChanged, GOOD, type Change } from './tree.ts'

const RULES = 'rules/gdpr.policy.yaml', NOTICE = 'directives/notice.policy.yaml', GROUP = 'groups/eea.yaml', LABELS = 'labels.yaml'
const CATALOG = 'catalog/vendor.yaml', APP = 'apps/crm.yaml', EXCEPTIONS = 'exceptions/2026.yaml', TEST = 'rules/gdpr.test.yaml'

/** What is wrong, the change that makes it so, and the message as `file:line:column [rule] wrong - write`. */
type Case = readonly [name: string, change: Change, says: string]

const WRITING: readonly Case[] = [
  ['a directive of YAML', { file: GROUP, from: 'language: bailiwick/v1\n', to: '%YAML 1.1\n---\nlanguage: bailiwick/v1\n' },
    'groups/eea.yaml:1:1 [directive] A line that starts with % changes how the file is read - Remove the % line.'],
  ['an anchor', { file: RULES, from: 'because: It is the rule', to: 'because: &co' },
    'rules/gdpr.policy.yaml:12:14 [anchor] & has a special meaning. Put it in quotes. - put the text in quotes, or remove the &'],
  ['an anchor before a value', { file: RULES, from: 'because: It is the rule', to: 'because: &co It is the rule' },
    'rules/gdpr.policy.yaml:12:14 [anchor] & has a special meaning. Put it in quotes. - put the text in quotes, or remove the &'],
  ['an alias', { file: RULES, from: 'because: It is the rule', to: 'because: *co' },
    'rules/gdpr.policy.yaml:12:14 [alias] * has a special meaning. Put it in quotes. - put the text in quotes, or remove the *'],
  ['a tag', { file: RULES, from: 'because: It is the rule', to: 'because: !important' },
    'rules/gdpr.policy.yaml:12:14 [tag] ! has a special meaning. Put it in quotes. - put the text in quotes, or remove the !'],
  ['a merge key', { file: RULES, from: 'because: It is the rule', to: 'because: It is the rule\n    <<: { law: x }' },
    'rules/gdpr.policy.yaml:13:5 [merge-key] << would copy another block in - write the words out, or use a group'],
  ['two documents', { file: GROUP, from: 'review-by: 2027-05-01\n', to: 'review-by: 2027-05-01\n---\nlanguage: bailiwick/v1\n' },
    'groups/eea.yaml:7:1 [several-documents] The file holds more than one document - keep one and move the rest to files of their own'],
  ['a word written twice', { file: GROUP, from: 'as-of: 2026-11-01\n', to: 'as-of: 2026-11-01\nas-of: 2026-11-02\n' },
    'groups/eea.yaml:6:1 [duplicate-key] as-of is written twice: at 5:1 and at 6:1 - keep one of them'],
  ['a word written twice inside brackets', { file: RULES, from: '{ data: [personal] }', to: '{ data: [personal], data: [phi] }' },
    'rules/gdpr.policy.yaml:10:31 [duplicate-key] data is written twice: at 10:13 and at 10:31 - keep one of them'],
  ['a list as a key', { file: RULES, from: 'because: It is the rule', to: 'because: It is the rule\n    [a]: b' },
    'rules/gdpr.policy.yaml:13:5 [complex-key] A word is expected before the colon, not a list, a block or a reference - write one plain word'],
  ['a number as a key', { file: RULES, from: 'because: It is the rule', to: 'because: It is the rule\n    12: b' },
    'rules/gdpr.policy.yaml:13:5 [key-not-a-word] 12 stands where a word is expected - put it in quotes if it is a name: \'12\''],
  ['a key with a letter of its own', { file: RULES, from: 'because: It is the rule', to: 'because: It is the rule\n    règle: b' },
    'rules/gdpr.policy.yaml:13:5 [key-not-ascii] règle contains a letter that words of the language do not have - use the letters a to z'],
  ['a key with a Cyrillic letter', { file: RULES, from: '    because: It', to: '    bеcause: It' },
    'rules/gdpr.policy.yaml:12:5 [look-alike] bеcause contains a letter of another alphabet that looks like a Latin one - type it again: because'],
  ['a Cyrillic letter in a code', { file: GROUP, from: '[DE, FR, NO]', to: '[DЕ, FR, NO]' },
    'groups/eea.yaml:3:11 [look-alike] DЕ contains a letter of another alphabet that looks like a Latin one - type it again: DE'],
  ['a Cyrillic code', { file: GROUP, from: '[DE, FR, NO]', to: '[DE, FR, ВЕ]' },
    'groups/eea.yaml:3:19 [look-alike] ВЕ contains a letter of another alphabet that looks like a Latin one - type it again: BE'],
  ['a tab as indentation', { file: RULES, from: '    because: It', to: '\tbecause: It' },
    'rules/gdpr.policy.yaml:12:1 [tab] The line is indented with a tab - indent with spaces'],
  ['a tab after a colon', { file: GROUP, from: 'group: eea', to: 'group:\teea' },
    'groups/eea.yaml:2:7 [tab] The line contains a tab - write spaces instead'],
  ['a non-breaking space', { file: GROUP, from: 'group: eea', to: 'group:\u00a0eea' },
    'groups/eea.yaml:2:7 [invisible-character] Line 2 contains an invisible character pasted from a document. - delete it and type a plain space where one is wanted'],
  ['a zero-width space', { file: GROUP, from: 'eea\n', to: 'eea\u200b\n' },
    'groups/eea.yaml:2:11 [invisible-character] Line 2 contains an invisible character pasted from a document. - delete it and type a plain space where one is wanted'],
  ['a byte order mark that is not at the start', { file: GROUP, from: 'group: eea', to: '\ufeffgroup: eea' },
    'groups/eea.yaml:2:1 [invisible-character] Line 2 contains an invisible character pasted from a document. - delete it and type a plain space where one is wanted'],
  ['a letter that turns the line around', { file: RULES, from: 'It is the rule', to: 'It is \u202e the rule' },
    'rules/gdpr.policy.yaml:12:20 [invisible-character] Line 12 contains an invisible character pasted from a document. - delete it and type a plain space where one is wanted'],
  ['a null byte', { file: GROUP, from: 'eea\n', to: 'e\u0000ea\n' },
    'groups/eea.yaml:2:9 [invisible-character] Line 2 contains an invisible character pasted from a document. - delete it and type a plain space where one is wanted'],
  ['a file that is empty', { file: LABELS, to: '' },
    'labels.yaml:1:1 [empty-file] The file is empty - write something in it, or delete the file'],
  ['a file of comments', { file: LABELS, to: '# nothing yet\n' },
    'labels.yaml:1:1 [empty-file] The file is empty - write something in it, or delete the file'],
  ['a file that is too large', { file: LABELS, to: `# ${'x'.repeat(262_144)}\nlanguage: bailiwick/v1\nlabels: []\n` },
    'labels.yaml:1:1 [file-too-large] The file is larger than 256 KB - split it into several files'],
  ['blocks too deep', { file: RULES, from: '{ processed-in: { only: [eea] } }', to: '{ one-of: [{ one-of: [{ one-of: [{ one-of: [{ one-of: [{ hosting: local }] }] }] }] }] }' },
    'rules/gdpr.policy.yaml:11:68 [too-deep] Blocks stand inside blocks more than 12 deep - write it flatter'],
  ['a sentence that # cuts', { file: RULES, from: 'because: It is the rule', to: 'because: rule #5 applies' },
    'rules/gdpr.policy.yaml:12:19 [text-cut] Everything after # is ignored here. Put the sentence in quotes. - put the text in quotes, or the comment on a line of its own'],
  ['a sentence that begins with #', { file: RULES, from: 'because: It is the rule', to: 'because: #5 applies' },
    'rules/gdpr.policy.yaml:12:5 [text-cut] because has no value. Everything after # is ignored here. Put the sentence in quotes. - put the text in quotes'],
  ['a sentence on two lines that # cuts', { file: RULES, from: 'because: It is the rule', to: 'because: It is\n      rule #5 of the house' },
    'rules/gdpr.policy.yaml:13:12 [text-cut] Everything after # is ignored here. Put the sentence in quotes. - put the text in quotes, or the comment on a line of its own'],
  ['a colon in a sentence', { file: RULES, from: 'title: Personal data stays in the EEA', to: 'title: in the EEA: our machines' },
    'rules/gdpr.policy.yaml:9:22 [colon-splits] A colon followed by a space splits the line. Put the text in quotes. - put the text after the first colon in quotes'],
  ['a dash without a space', { file: RULES, from: '  - id: home', to: '  -id: home' },
    'rules/gdpr.policy.yaml:8:3 [space-after-dash] A space is missing after the dash. - write "- " before the text'],
  ['dashes without spaces in a list', { file: GROUP, from: 'members: [DE, FR, NO]', to: 'members:\n  -DE\n  -FR' },
    'groups/eea.yaml:4:3 [space-after-dash] A space is missing after the dash. - write "- " before the text'],
  ['a key without a value in brackets', { file: RULES, from: '{ data: [personal] }', to: '{ data: [personal], purpose }' },
    'rules/gdpr.policy.yaml:10:31 [no-value] purpose has no value. - write "purpose: " and a value, or delete the word'],
  ['a key without a value', { file: RULES, from: 'because: It is the rule', to: 'because:' },
    'rules/gdpr.policy.yaml:12:5 [no-value] because has no value. - write "because: " and a value, or delete the word'],
  ['a list item without a value', { file: GROUP, from: 'members: [DE, FR, NO]', to: 'members:\n  - DE\n  -' },
    'groups/eea.yaml:4:3 [no-value] An item of this list has no value - write it, or delete the dash'],
  ['a colon without a space', { file: RULES, from: '{ data: [personal] }', to: '{ data:personal }' },
    'rules/gdpr.policy.yaml:10:17 [space-after-colon] A space is missing after the colon. - write "data: "'],
  ['a colon without a space at the start of a line', { file: GROUP, from: 'group: eea', to: 'group:eea' },
    'groups/eea.yaml:2:6 [space-after-colon] A space is missing after the colon. - write "group: "'],
  ['a quotation mark that is not closed', { file: GROUP, from: 'source: The agreement', to: 'source: "The agreement' },
    'groups/eea.yaml:4:9 [open-quote] A quotation mark is opened and never closed - close it'],
  ['a bracket that is not closed', { file: GROUP, from: '[DE, FR, NO]', to: '[DE, FR, NO' },
    'groups/eea.yaml:3:10 [open-bracket] A bracket is opened and never closed - close it with ] or }'],
  ['two commas', { file: GROUP, from: '[DE, FR, NO]', to: '[DE,, NO]' },
    'groups/eea.yaml:3:14 [list-shape] A comma is missing or one too many - separate what stands in brackets by single commas'],
  ['text after a quotation mark', { file: GROUP, from: 'source: The agreement', to: 'source: "The" agreement' },
    'groups/eea.yaml:4:15 [after-quote] Something follows the closing quotation mark or bracket - put all of the text inside, or start a new line'],
  ['a backslash in double quotes', { file: GROUP, from: 'source: The agreement', to: 'source: "C:\\docs"' },
    'groups/eea.yaml:4:13 [backslash] A backslash has a special meaning inside double quotes - use single quotes'],
  ['a list on the line of its word', { file: GROUP, from: 'members: [DE, FR, NO]', to: 'members: - DE' },
    'groups/eea.yaml:3:10 [list-on-key-line] A list with dashes cannot start on the line of its word - start it on the next line'],
  ['a sign with a meaning', { file: GROUP, from: 'source: The agreement', to: 'source: @agreement' },
    'groups/eea.yaml:4:9 [special-character] @ has a special meaning. Put it in quotes. - put the text in quotes'],
  ['a line that stands too far left', { file: RULES, from: '    because: It is the rule', to: '   because: It is the rule' },
    'rules/gdpr.policy.yaml:12:4 [indentation] The line does not stand under the lines it belongs to - indent it like its neighbours'],
]

const SHAPES: readonly Case[] = [
  ['a misspelt word', { file: RULES, from: 'effective:', to: 'effectve:' },
    'rules/gdpr.policy.yaml:5:1 [unknown-word] Unknown word effectve at 5:1. Did you mean effective? - write effective'],
  ['a misspelt word on a rule', { file: RULES, from: '    because:', to: '    becuase:' },
    'rules/gdpr.policy.yaml:12:5 [unknown-word] Unknown word becuase at 12:5. Did you mean because? - write because'],
  ['a word from elsewhere', { file: RULES, from: '    because:', to: '    timezone: UTC\n    because:' },
    'rules/gdpr.policy.yaml:12:5 [unknown-word] Unknown word timezone at 12:5. - this word belongs under an app file, a catalog file, a group file, an exception or effective'],
  ['a deployment fact in when', { file: RULES, from: '{ data: [personal] }', to: '{ data: [personal], retention: 0d }' },
    'rules/gdpr.policy.yaml:10:31 [unknown-word] Unknown word retention at 10:31. - this word is about a deployment; it belongs under forbid, require, prefer or models'],
  ['a request fact in require', { file: RULES, from: '{ processed-in: { only: [eea] } }', to: '{ classification: public }' },
    'rules/gdpr.policy.yaml:11:16 [unknown-word] Unknown word classification at 11:16. - this word is about the request; it belongs under when, for or enforce-for'],
  ['at-least of a fact without order', { file: RULES, from: '{ processed-in: { only: [eea] } }', to: '{ hosting: { at-least: local } }' },
    'rules/gdpr.policy.yaml:11:27 [unknown-word] Unknown word at-least at 11:27. - at-least works only with classification, agent-depth and retention'],
  ['a word of no language', { file: RULES, from: '    because:', to: '    priority: 1\n    because:' },
    'rules/gdpr.policy.yaml:12:5 [unknown-word] Unknown word priority at 12:5. - words that belong here are id, title, when, forbid, require, prefer, because, law, then, exceptions, mode, mode-until ...'],
  ['a word that is missing', { file: GROUP, from: 'source: The agreement\n', to: '' },
    'groups/eea.yaml:1:1 [missing-word] A group file needs the word source - add "source: ..."'],
  ['another version of the language', { file: GROUP, from: 'bailiwick/v1', to: 'bailiwick/v2' },
    'groups/eea.yaml:1:11 [unknown-language] The file is written for bailiwick/v2; this program reads bailiwick/v1 - write bailiwick/v1'],
  ['a list where a text belongs', { file: GROUP, from: 'source: The agreement', to: 'source: [a, b]' },
    'groups/eea.yaml:4:9 [wrong-shape] source holds a list where one value is expected - write a single value'],
  ['a text where a block belongs', { file: RULES, from: 'effective: { from: 2026-11-01, timezone: Europe/Brussels }', to: 'effective: 2026-11-01' },
    'rules/gdpr.policy.yaml:5:12 [wrong-shape] effective holds the text 2026-11-01 where a block of words is expected - write words with a colon below it, or inside { and }'],
  ['a block where a list belongs', { file: RULES, from: 'rules:\n  - id: home\n', to: 'rules:\n    id: home\n' },
    'rules/gdpr.policy.yaml:8:5 [wrong-shape] rules holds a block of words where a list is expected - start each item with a dash, or use [ and ]'],
  ['a closed word misspelt', { file: RULES, from: '{ processed-in: { only: [eea] } }', to: '{ hosting: locl }' },
    'rules/gdpr.policy.yaml:11:25 [unknown-value] locl is not a value of hosting. Did you mean local? - write local'],
  ['a closed word that is far off', { file: RULES, from: '{ processed-in: { only: [eea] } }', to: '{ hosting: basement }' },
    'rules/gdpr.policy.yaml:11:25 [unknown-value] basement is not a value of hosting. - write local, sovereign or cloud'],
  ['true for yes', { file: RULES, from: 'allowed: yes', to: 'allowed: true' },
    'rules/gdpr.policy.yaml:13:28 [not-yes-or-no] true is neither yes nor no - write yes'],
  ['NO for no', { file: RULES, from: '{ processed-in: { only: [eea] } }', to: '{ trains-on-data: NO }' },
    'rules/gdpr.policy.yaml:11:32 [not-yes-or-no] NO is neither yes nor no - write no'],
  ['a duration without a unit', { file: RULES, from: '{ processed-in: { only: [eea] } }', to: '{ retention: { at-most: 30 } }' },
    'rules/gdpr.policy.yaml:11:38 [wrong-form] 30 is not a duration - write 30d'],
  ['unknown asked of a closed fact', { file: RULES, from: '{ processed-in: { only: [eea] } }', to: '{ hosting: unknown }' },
    'rules/gdpr.policy.yaml:11:25 [unknown-asked] unknown cannot be asked for in a rule - leave it out; what is not known never satisfies a rule'],
  ['unknown asked of a country', { file: RULES, from: '[eea]', to: '[unknown]' },
    'rules/gdpr.policy.yaml:11:39 [unknown-asked] unknown cannot be asked for in a rule - leave it out; what is not known never satisfies a rule'],
  ['not-collected in a rule', { file: RULES, from: '{ data: [personal] }', to: '{ user-nationality: not-collected }' },
    'rules/gdpr.policy.yaml:10:31 [not-collected] not-collected is a value for assume only - leave it out'],
  ['an empty list', { file: RULES, from: '{ data: [personal] }', to: '{ data: [] }' },
    'rules/gdpr.policy.yaml:10:19 [empty-list] The list of data is empty, and says nothing - name something, or delete the word'],
  ['an empty list after any', { file: RULES, from: '{ only: [eea] }', to: '{ any: [] }' },
    'rules/gdpr.policy.yaml:11:37 [empty-list] The list of any is empty, and says nothing - name something, or delete the word'],
  ['an empty one-of', { file: RULES, from: '{ processed-in: { only: [eea] } }', to: '{ one-of: [] }' },
    'rules/gdpr.policy.yaml:11:24 [empty-list] The list of one-of is empty, and says nothing - name something, or delete the word'],
  ['an empty block', { file: RULES, from: '{ data: [personal] }', to: '{}' },
    'rules/gdpr.policy.yaml:10:11 [empty-block] The block of when is empty - write a fact, or all'],
  ['a header that cannot be', { file: RULES, from: '    because:', to: '    then: { header: { \'x y\': z } }\n    because:' },
    'rules/gdpr.policy.yaml:12:23 [wrong-form] x y cannot be the name of a header - use letters, digits and dashes'],
  ['a date with an offset', { file: RULES, from: '2026-11-01', to: '2026-11-01T00:00:00+01:00' },
    'rules/gdpr.policy.yaml:5:20 [wrong-form] 2026-11-01T00:00:00+01:00 is not a date or a local time to the second - write it like 2026-11-30 or 2026-11-30T17:21:00'],
]

const COUNTRIES: readonly Case[] = [
  ['no in a list of countries', { file: GROUP, from: '[DE, FR, NO]', to: '[no, DE]' },
    'groups/eea.yaml:3:11 [not-a-country] no is not a country code. Did you mean NO (Norway)? - write NO'],
  ['UK', { file: RULES, from: '[eea]', to: '[UK]' },
    'rules/gdpr.policy.yaml:11:39 [not-a-country] UK is not an ISO code, use GB. - write GB'],
  ['EL', { file: RULES, from: '[eea]', to: '[EL]' },
    'rules/gdpr.policy.yaml:11:39 [not-a-country] EL is not an ISO code, use GR. - write GR'],
  ['EU', { file: RULES, from: '[eea]', to: '[EU]' },
    'rules/gdpr.policy.yaml:11:39 [not-a-country] EU is not a country; did you mean the group eu or eea? - write the name of a group'],
  ['EU as a fact', { file: CATALOG, from: 'processed-in: US', to: 'processed-in: EU' },
    'catalog/vendor.yaml:15:19 [not-a-country] EU is not a country; did you mean the group eu or eea? - a fact names countries: list them'],
  ['a country by name', { file: GROUP, from: '[DE, FR, NO]', to: '[Germany]' },
    'groups/eea.yaml:3:11 [not-a-country] Germany is not a country code. Did you mean DE (Germany)? - write DE'],
  ['three letters', { file: GROUP, from: '[DE, FR, NO]', to: '[DEU]' },
    'groups/eea.yaml:3:11 [not-a-country] DEU is not a country code. Did you mean DE (Germany)? - write DE'],
  ['a group misspelt', { file: RULES, from: '[eea]', to: '[eaa]' },
    'rules/gdpr.policy.yaml:11:39 [not-a-country] eaa is not a country code. Did you mean the group eea? - write eea'],
  ['a group as a fact', { file: CATALOG, from: 'processed-in: US', to: 'processed-in: eea' },
    'catalog/vendor.yaml:15:19 [not-a-country] eea is a group, and a fact names countries - list the countries'],
  ['a code that is none', { file: RULES, from: '[eea]', to: '[XX]' },
    'rules/gdpr.policy.yaml:11:39 [not-a-country] XX is not a country code or a group. - use a code of ISO 3166, such as FR or CA-QC'],
  ['a part that is none', { file: RULES, from: '[eea]', to: '[CA-QQ]' },
    'rules/gdpr.policy.yaml:11:39 [not-a-country] CA-QQ is not a country code or a group. - use a code of ISO 3166, such as FR or CA-QC'],
]

const NAMES: readonly Case[] = [
  ['a model that is not there', { file: NOTICE, from: 'vendor/large', to: 'vendor/larg' },
    'directives/notice.policy.yaml:10:22 [unknown-model] There is no model vendor/larg. Did you mean vendor/large? - write vendor/large'],
  ['a vendor that is not there', { file: APP, from: 'vendor/*', to: 'vendr/*' },
    'apps/crm.yaml:6:12 [unknown-model] vendr/* matches no model of the catalog. Did you mean vendor/*? - write vendor/*'],
  ['a star elsewhere', { file: APP, from: 'vendor/*', to: 'ven*' },
    'apps/crm.yaml:6:12 [wildcard] ven* is not a model: * stands only as vendor/* - write vendor/*, or name the models'],
  ['a deployment that is not there', { file: EXCEPTIONS, from: '[cloud-us]', to: '[cloud-uk]' },
    'exceptions/2026.yaml:4:26 [unknown-deployment] There is no deployment cloud-uk. Did you mean cloud-us? - write cloud-us'],
  ['an app that is not there', { file: EXCEPTIONS, from: '[crm]', to: '[cmr]' },
    'exceptions/2026.yaml:3:16 [unknown-app] There is no app cmr. Did you mean crm? - write crm'],
  ['a provider that is not there', { file: NOTICE, from: 'model: vendor/large', to: 'provider: vendr' },
    'directives/notice.policy.yaml:10:25 [unknown-provider] There is no provider vendr. Did you mean vendor? - write vendor'],
  ['a label that is not there', { file: APP, from: '[personal]', to: '[persona]' },
    'apps/crm.yaml:7:13 [unknown-label] There is no label persona. Did you mean personal? - write personal'],
  ['two deployments of one name', { file: CATALOG, from: 'deployment: cloud-us', to: 'deployment: cloud-eu\n    model: vendor/other\n  - deployment: cloud-us' },
    'catalog/vendor.yaml:13:17 [duplicate-deployment] The deployment cloud-eu is defined already, at catalog/vendor.yaml:9:17 - give one of them another name'],
  ['two apps of one name', { file: 'apps/second.yaml', to: 'language: bailiwick/v1\napp: crm\nowner: x@example.eu\ngrants: all\n' },
    'apps/second.yaml:2:6 [duplicate-app] The app crm is defined already, at apps/crm.yaml:2:6 - give one of them another name'],
  ['two rules of one name', { file: RULES, from: 'rules:\n', to: 'rules:\n  - id: home\n    title: Again\n    prefer: { hosting: local }\n    because: So\n' },
    'rules/gdpr.policy.yaml:12:9 [duplicate-rule] The rule home is written twice, first at 8:9 - give one of them another id'],
  ['a group among members', { file: 'groups/more.yaml', to: 'language: bailiwick/v1\ngroup: more\nmembers: [eea, CH]\nsource: x\nas-of: 2026-11-01\nreview-by: 2027-05-01\n' },
    'groups/more.yaml:3:11 [group-in-group] eea is a group; members are codes or certificates - list its members'],
  ['a file that no row covers', { file: 'rules/gdpr.yaml', to: 'language: bailiwick/v1\n' },
    'rules/gdpr.yaml:1:1 [stray-file] No row of the policy folder covers this file, so nothing would read it - give it a name that ends in .policy.yaml, or .test.yaml for a test'],
  ['a file in the root', { file: 'more.yml', to: 'a: b\n' },
    'more.yml:1:1 [stray-file] No row of the policy folder covers this file, so nothing would read it - give it a name that ends in .yaml'],
]

const RULES_OF_RULES: readonly Case[] = [
  ['no effect', { file: RULES, from: '    require: { processed-in: { only: [eea] } }\n', to: '' },
    'rules/gdpr.policy.yaml:8:5 [one-effect] The rule says neither forbid nor require nor prefer - write exactly one of forbid, require and prefer; make two rules of two'],
  ['two effects', { file: RULES, from: '    because:', to: '    forbid: { hosting: cloud }\n    because:' },
    'rules/gdpr.policy.yaml:11:5 [one-effect] The rule says forbid and require - write exactly one of forbid, require and prefer; make two rules of two'],
  ['shadow without an end', { file: RULES, from: '    because:', to: '    mode: shadow\n    because:' },
    'rules/gdpr.policy.yaml:12:5 [mode-until-missing] mode: shadow needs mode-until, after which the rule enforces - add "mode-until: ..."'],
  ['an end of no mode', { file: RULES, from: '    because:', to: '    mode-until: 2026-12-01\n    because:' },
    'rules/gdpr.policy.yaml:12:5 [mode-missing] mode-until needs mode: warn or mode: shadow to leave - add the mode, or delete mode-until'],
  ['a ring without a mode', { file: RULES, from: '    because:', to: '    enforce-for: { app: crm }\n    because:' },
    'rules/gdpr.policy.yaml:12:5 [mode-missing] enforce-for needs mode: warn or mode: shadow to leave - add the mode, or delete enforce-for'],
  ['a mode that ends before it begins', { file: RULES, from: '    because:', to: '    mode: warn\n    mode-until: 2026-10-30\n    because:' },
    'rules/gdpr.policy.yaml:13:17 [empty-window] mode-until 2026-10-30 lies before the rule is in force - write a later day'],
  ['prefer with a mode', { file: RULES, from: '    require: { processed-in: { only: [eea] } }', to: '    prefer: { hosting: local }\n    mode: warn\n    because: So\n  - id: other\n    title: Other\n    require: { hosting: local }' },
    'rules/gdpr.policy.yaml:12:5 [prefer-has-no-mode] A prefer rule has no mode: it removes nothing - delete mode'],
  ['prefer with exceptions', { file: RULES, from: '    require: { processed-in: { only: [eea] } }', to: '    prefer: { hosting: local }' },
    'rules/gdpr.policy.yaml:13:5 [prefer-has-no-exceptions] A prefer rule has no exceptions: it removes nothing - delete exceptions'],
  ['until before from', { file: RULES, from: 'from: 2026-11-01,', to: 'from: 2026-11-01, until: 2026-10-31,' },
    'rules/gdpr.policy.yaml:5:39 [empty-window] until 2026-10-31 does not come after from 2026-11-01 - write a later until'],
  ['a day that does not exist', { file: RULES, from: 'from: 2026-11-01', to: 'from: 2026-11-31' },
    'rules/gdpr.policy.yaml:5:20 [no-such-day] 2026-11-31 is not a day or time that exists - write a date, such as 2026-11-30'],
  ['a zone that is an abbreviation', { file: RULES, from: 'Europe/Brussels', to: 'CEST' },
    'rules/gdpr.policy.yaml:5:42 [unknown-zone] CEST is not a time zone - write an IANA name, such as Europe/Brussels'],
  ['cache none and more', { file: RULES, from: '    because:', to: '    then: { cache: [none, app] }\n    because:' },
    'rules/gdpr.policy.yaml:12:21 [none-and-more] cache says none beside something - write none alone, or leave it out'],
  ['a directive that lasts too long', { file: NOTICE, from: '2026-06-19', to: '2026-06-27' },
    'directives/notice.policy.yaml:5:20 [directive-too-long] A directive is over or reviewed within 14 days of its from - write an earlier until or review-by'],
  ['a directive with exceptions', { file: NOTICE, from: '    because:', to: '    exceptions: { allowed: yes }\n    because:' },
    'directives/notice.policy.yaml:11:28 [directive-exception] A directive allows no exception - write allowed: no, or delete exceptions'],
]

const EXCEPTION_RULES: readonly Case[] = [
  ['an exception without a ticket', { file: EXCEPTIONS, from: '  ticket: T-1\n', to: '' },
    'exceptions/2026.yaml:1:3 [missing-word] An exception needs the word ticket - add "ticket: ..."'],
  ['an exception to a rule that is not there', { file: EXCEPTIONS, from: 'gdpr/home', to: 'gdpr/hom' },
    'exceptions/2026.yaml:2:9 [unknown-rule] There is no rule gdpr/hom. Did you mean gdpr/home? - write gdpr/home'],
  ['an exception to a directive', { file: EXCEPTIONS, from: 'gdpr/home', to: 'notice/stop' },
    'exceptions/2026.yaml:2:9 [directive-exception] notice/stop is a rule of a directive, and a directive allows no exception - delete the exception'],
  ['an exception that lasts too long', { file: EXCEPTIONS, from: '2026-11-30', to: '2026-12-01' },
    'exceptions/2026.yaml:11:10 [exception-too-long] The exception lasts 31 days; the rule allows 30 - write an earlier until'],
  ['the wrong approver', { file: EXCEPTIONS, from: 'approved-by: dpo', to: 'approved-by: ceo' },
    'exceptions/2026.yaml:9:16 [wrong-approver] ceo@example.eu may not approve exceptions to gdpr/home - one of these may: dpo'],
  ['one person for both', { file: EXCEPTIONS, from: 'requested-by: lead', to: 'requested-by: dpo' },
    'exceptions/2026.yaml:9:16 [same-person] dpo@example.eu asked for the exception and cannot approve it - somebody else approves'],
  ['an exception to a rule without any', { file: RULES, from: '    exceptions: { allowed: yes, at-most: 30d, approver: [dpo] }\n', to: '' },
    'exceptions/2026.yaml:2:9 [not-exceptable] The rule gdpr/home allows no exceptions - delete the exception; only the owner of the rule can allow them'],
]

const OTHER_FILES: readonly Case[] = [
  ['two sorts of grant in one item', { file: APP, from: '  - model: vendor/*', to: '  - model: vendor/*\n    deployment: cloud-eu' },
    'apps/crm.yaml:6:5 [too-many-words] A grant has exactly one of model and deployment - make two items of it; items are "or"'],
  ['an assumption about data', { file: APP, from: 'user-us-person: no', to: 'data: [none]' },
    'apps/crm.yaml:9:5 [not-assumable] data cannot be assumed - say what the application may-carry'],
  ['an assumption without a fact', { file: APP, from: '  - user-us-person: no\n    basis', to: '  - basis' },
    'apps/crm.yaml:9:5 [one-fact] An assumption is about exactly one request fact - make an item of each'],
  ['an assumption beside a registration', { file: APP, from: 'assume:\n  - user-us-person: no', to: 'team: sales\nassume:\n  - team: sales' },
    'apps/crm.yaml:10:5 [registered-and-assumed] team is registered in this file already - delete one of the two'],
  ['not-collected of an ordered fact', { file: APP, from: 'user-us-person: no', to: 'classification: not-collected' },
    'apps/crm.yaml:9:21 [not-collected] classification is ordered, and not-collected has no place in an order - write the value that is assumed'],
  ['assume without a zone', { file: APP, from: 'timezone: Europe/Brussels\n', to: '' },
    'apps/crm.yaml:7:1 [zone-missing] An assumption ends on a day, and a day needs a timezone - add "timezone: ..." at the top of the file'],
  ['a key in place of its hash', { file: APP, from: 'may-carry: [personal]', to: 'may-carry: [personal]\nkey-hashes: secret' },
    'apps/crm.yaml:8:13 [wrong-form] The value of key-hashes is not a key hash - write sha256: and 64 lower-case hex digits'],
  ['a label that is built in', { file: LABELS, from: 'label: survey', to: 'label: phi' },
    'labels.yaml:3:12 [built-in-label] The label phi is built in and cannot be defined again - choose another name'],
  ['labels in a circle', { file: LABELS, from: 'parent: special-category', to: 'parent: other\n  - label: other\n    parent: survey' },
    'labels.yaml:4:13 [label-cycle] survey is, through its parents, a kind of itself - cut the circle'],
  ['a parent that is not there', { file: LABELS, from: 'special-category', to: 'special-categry' },
    'labels.yaml:4:13 [unknown-label] There is no label special-categry. Did you mean special-category? - write special-category'],
  ['a member that is none', { file: GROUP, from: 'source:', to: 'from: { GB: 2026-01-01 }\ntimezone: UTC\nsource:' },
    'groups/eea.yaml:4:9 [not-a-member] GB is not a member of the group - add it to members, or delete this'],
  ['days without a zone', { file: GROUP, from: 'source:', to: 'from: { DE: 2026-01-01 }\nsource:' },
    'groups/eea.yaml:4:1 [zone-missing] Days of members need a timezone - add "timezone: ..." at the top of the file'],
  ['a zone without days', { file: GROUP, from: 'source:', to: 'timezone: UTC\nsource:' },
    'groups/eea.yaml:4:1 [zone-unused] timezone stands in a group only with from or until - delete timezone'],
  ['a secret written out', { file: CATALOG, from: 'hosting: cloud', to: 'hosting: cloud\nkey: sk-123' },
    'catalog/vendor.yaml:8:6 [wrong-form] The value of key is not the name of a secret - write env:NAME'],
  ['an address without a dialect', { file: CATALOG, from: 'processed-in: US', to: 'base-url: http://127.0.0.1:1' },
    'catalog/vendor.yaml:15:5 [connection-missing] base-url needs a dialect beside it - add "dialect: ..." to the deployment or at the top of the file'],
  ['discovery without a dialect', { file: CATALOG, from: 'hosting: cloud', to: 'hosting: cloud\ndiscover: models' },
    'catalog/vendor.yaml:8:1 [connection-missing] discover needs a dialect - add "dialect: openai" or "dialect: ollama"'],
  ['a dialect without an address', { file: CATALOG, from: 'hosting: cloud', to: 'hosting: cloud\ndialect: openai' },
    'catalog/vendor.yaml:8:1 [connection-missing] dialect needs a base-url beside it - add "base-url: ..." to the deployment or at the top of the file'],
  ['discovery without an address', { file: CATALOG, from: 'hosting: cloud\n', to: 'hosting: cloud\ndiscover: models\ndialect: ollama\n' },
    'catalog/vendor.yaml:8:1 [connection-missing] discover needs the address of the server - add "base-url: ..."'],
  ['rehearsal with an address', { file: CATALOG, from: 'hosting: cloud', to: 'hosting: cloud\nrehearsal: local\ndialect: openai\nbase-url: http://127.0.0.1:1' },
    'catalog/vendor.yaml:10:1 [rehearsal-address] A rehearsal provider is started here and has no address of its own - delete base-url or rehearsal'],
  ['a test with a misspelt word', { file: TEST, to: 'language: bailiwick/v1\ntests-for: [gdpr]\nclock: 2026-11-22T12:00:00+01:00\ncases:\n  - name: x\n    given: { app: crm }\n    alowed: [cloud-eu]\n' },
    'rules/gdpr.test.yaml:7:5 [unknown-word] Unknown word alowed at 7:5. Did you mean allowed? - write allowed'],
  ['a test without cases', { file: TEST, to: 'language: bailiwick/v1\ntests-for: [gdpr]\nclock: 2026-11-22T12:00:00+01:00\n' },
    'rules/gdpr.test.yaml:1:1 [missing-word] A test file needs the word cases - add "cases: ..."'],
]

describe.each([
  ['how it is written', WRITING], ['words and shapes', SHAPES], ['countries', COUNTRIES], ['names that exist', NAMES],
  ['rules', RULES_OF_RULES], ['exceptions', EXCEPTION_RULES], ['apps, labels, groups, catalogs and tests', OTHER_FILES],
])('%s', (_, cases) => {
  test.each(cases)('%s', async (_name, change, says) => {
    const compiled = await compileChanged(change)
    const problems = compiled.ok ? [] : compiled.problems
    expect(problems.map(p => `${p.file}:${p.line}:${p.column} [${p.rule}] ${p.wrong} - ${p.write}`)).toEqual([says])
  })
})

test('the tree that every case changes compiles without a warning', async () => {
  const compiled = await compile(new Map(Object.entries(GOOD)))
  expect(compiled.ok ? compiled.bundle.warnings : compiled.problems).toEqual([])
})

describe('what is said and does not stop', () => {
  const warningsOf = async (change: Change): Promise<readonly string[]> => {
    const compiled = await compileChanged(change)
    return compiled.ok ? compiled.bundle.warnings.map(w => `${w.severity} ${w.file}:${w.line}:${w.column} ${w.wrong} - ${w.write}`) : ['did not compile']
  }

  test('curly quotation marks', async () => {
    expect(await warningsOf({ file: GROUP, from: 'source: The agreement', to: 'source: “The agreement”' }))
      .toEqual(['warning groups/eea.yaml:4:9 Curly quotation marks are part of the text - type straight ones, or none'])
  })

  test('a word of an open vocabulary that stands alone, with the one it may have been', async () => {
    const rule = (word: string): Change => ({ file: RULES, from: '{ data: [personal] }', to: `{ one-of: [{ governed-by: [gdpr, hipaa] }, { governed-by: [gdpr, ${word}] }] }` })
    expect(await warningsOf(rule('hippa'))).toEqual([
      'warning rules/gdpr.policy.yaml:10:44 hipaa of governed-by is written nowhere else - did you mean hippa?',
      'warning rules/gdpr.policy.yaml:10:76 hippa of governed-by is written nowhere else - did you mean hipaa?',
    ])
    expect(await warningsOf(rule('hipaa'))).toEqual([])
  })

  test('curly quotation marks around a code are one mistake, not two', async () => {
    const compiled = await compileChanged({ file: APP, from: '[personal]', to: '[“personal”]' })
    expect(compiled.ok ? [] : compiled.problems.map(p => p.wrong)).toEqual(['There is no label “personal”. Did you mean personal?'])
  })
})

describe('what is fine', () => {
  const fine: readonly (readonly [string, Change])[] = [
    ['a byte order mark at the start', { file: GROUP, from: 'language', to: '\ufefflanguage' }],
    ['lines that end in CR LF', { file: GROUP, to: GOOD[GROUP]!.replaceAll('\n', '\r\n') }],
    ['a comment after a code', { file: GROUP, from: 'group: eea', to: 'group: eea # the area' }],
    ['# inside quotes', { file: RULES, from: 'because: It is the rule', to: "because: 'rule #5 applies'" }],
    ['# inside a word', { file: RULES, from: 'because: It is the rule', to: 'because: rule#5 applies' }],
    ['a sentence in another alphabet', { file: RULES, from: 'because: It is the rule', to: 'because: Таково правило' }],
    ['a text block', { file: RULES, from: 'because: It is the rule', to: 'because: |\n      It is # the rule\n      of: the house' }],
    ['a first line that marks the document', { file: GROUP, from: 'language', to: '---\nlanguage' }],
    ['NO for Norway', { file: RULES, from: '[eea]', to: '[NO]' }],
    ['a part of a country', { file: RULES, from: '[eea]', to: '[CA-QC]' }],
    ['an empty list after only', { file: RULES, from: '[eea]', to: '[]' }],
    ['until on the day of from', { file: RULES, from: 'from: 2026-11-01,', to: 'from: 2026-11-01, until: 2026-11-01,' }],
    ['a directive whose review lies on the fourteenth day', { file: NOTICE, from: '2026-06-19', to: '2026-06-26' }],
    ['an exception of exactly the days allowed', { file: EXCEPTIONS, from: 'until: 2026-11-30', to: 'until: 2026-12-01T00:00:00' }],
    ['an approver by the whole entry', { file: RULES, from: 'approver: [dpo]', to: 'approver: dpo@example.eu' }],
    ['text that is not YAML', { file: 'README.md', to: 'a: [b' }],
    ['a schema for editors', { file: 'schema/policy.json', to: '{' }],
    ['a catalog that a test brings along', { file: 'rules/other.yaml', to: 'anything: at all' }],
  ]
  test.each(fine)('%s', async (name, change) => {
    const brought = { file: TEST, to: 'language: bailiwick/v1\ntests-for: gdpr\nclock: 2026-11-22T12:00:00Z\ncatalog: other.yaml\ncases:\n  - { name: x, given: { app: crm }, allowed: [] }\n' }
    const compiled = await compileChanged(change, ...(name.startsWith('a catalog') ? [brought] : []))
    expect(compiled.ok ? [] : compiled.problems).toEqual([])
  })
})
