import type { KnownDifference } from './compare.ts'

/** What differs in single steps, by intent or since it cannot be helped. */
export const knownDifferences: readonly KnownDifference[] = [
  {
    reason: 'What ended before its time is refused; upstream takes what has come for the whole.',
    aspects: ['status', 'body'],
    steps: ['post a file that is linked nowhere: a form that is cut'],
  },
  {
    reason: 'A form in the other encoding is a form; upstream takes it for children in JSON.',
    aspects: ['status', 'body'],
    steps: ['post a directory that is linked nowhere: as an urlencoded form'],
  },
  {
    reason: 'A name cannot break out of its header.',
    aspects: ['content-disposition'],
    steps: ['get a file: GET /uri/<chk>?filename=%C3%A9%22%0D%0AX-Evil%3A%201.txt&save=true'],
  },
  {
    reason: 'The ending before .gz says what is inside; upstream looks at it only in some cases.',
    aspects: ['type'],
    steps: ['get a file: GET /uri/<chk>?filename=a.png.gz'],
  },
  {
    reason: 'Upstream fails; ours does what was asked for.',
    aspects: ['status'],
    steps: [
      'get a file: GET /uri/<chk>?save=true',
      'get what is known of a file: GET /uri/<chk:verify>?t=json',
      'operations: POST /uri/<dir>?t=start-manifest&ophandle=redirected&when_done=.',
    ],
  },
  {
    reason: 'Upstream fails in the middle of the page.',
    aspects: ['body'],
    steps: ['get what is known of a file: GET /uri/<chk:verify>?t=info'],
  },
  {
    reason: 'A cap that is wrong here is not repeated.',
    aspects: ['body'],
    steps: [
      'get a file by cap and name: GET /file/<dir>/a.txt',
      'get a file by cap and name: GET /file/<chk:verify>/a.txt',
      'get a file by cap and name: GET /file/nonsense/a.txt',
    ],
  },
  {
    reason: 'A slash at the end changes nothing.',
    aspects: ['status', 'body'],
    steps: ['get a file by cap and name: GET /file/'],
  },
  {
    reason: 'An ETag is known when it comes back as it was given, for HEAD as for GET.',
    aspects: ['status', 'accept-ranges', 'type', 'body'],
    steps: ['get a file unless it is known: known', 'get a file unless it is known: head'],
  },
  {
    reason: 'HEAD of what is known has no length.',
    aspects: ['content-length'],
    steps: ['get a file unless it is known: head'],
  },
  {
    reason: 'A part of a file is never taken for the whole, also where a file is there already.',
    aspects: ['status', 'body'],
    steps: [
      'write to a mutable file: Content-Range of own-sdmf',
      'write to a mutable file: Content-Range of own-mdmf',
      'put a file into a directory: a range of a file that is there',
    ],
  },
  {
    reason: 'A page says more than what its cap stands for, so it changes.',
    aspects: ['etag'],
    steps: [
      'get a directory: GET /uri/<imm>',
      'get a directory: GET /uri/<imm>/',
      'get a directory: HEAD /uri/<imm>/',
    ],
  },
  {
    reason: 'JSON that says what is wrong has the type of JSON that does not.',
    aspects: ['type'],
    steps: [
      'get a directory: GET /uri/<gone-dir>?t=json',
      'get a directory: GET /uri/<gone-imm>?t=json',
    ],
  },
  {
    reason: 'replace=only-files is known wherever replace= is.',
    aspects: ['status', 'body'],
    steps: ['post a file into a directory: POST /uri/<form>/b?t=upload&replace=only-files'],
  },
  {
    reason: 'Space around a cap is no part of it.',
    aspects: ['status', 'body'],
    steps: ['link what is there: PUT /uri/<ln>/space?t=uri'],
  },
  {
    reason: 'No path leads to an empty name.',
    aspects: ['status', 'body'],
    steps: [
      'rename and move: POST /uri/<nameless>?t=rename&from_name=b&to_name=',
      'rename and move: POST /uri/<nameless>?t=rename&from_name=&to_name=x',
    ],
  },
  {
    reason: 'That a directory is immutable is said before what was to be put into it.',
    aspects: ['body'],
    steps: ['set several children: POST /uri/<imm>?t=set_children'],
  },
  {
    reason: 'A repair that could not be has results, which say why.',
    aspects: ['status', 'type', 'body'],
    steps: ['check: POST /uri/<unrecoverable>?t=check&output=JSON&repair=true'],
  },
  {
    reason: 'A mutable file that lacks shares gets them; upstream writes a new version.',
    aspects: ['body'],
    steps: ['check: POST /uri/<damaged-mutable>?t=check&output=JSON&repair=true&verify=true'],
  },
  {
    reason: 'The size of a tree has a page.',
    aspects: ['body'],
    steps: ['start deep-size: GET /operations/deep-size?output=html'],
  },
  {
    reason: 'There is nothing at these places.',
    aspects: ['status'],
    steps: ['operations: GET /operations', 'the node: GET /storage-plugins'],
  },
  {
    reason: 'Nothing starts with an empty handle.',
    aspects: ['body'],
    steps: ['operations: GET /operations/'],
  },
  {
    reason: 'A slash at the end changes nothing.',
    aspects: ['status', 'type'],
    steps: ['the node: GET /storage/?t=json'],
  },
  {
    reason: 'There are no incidents without Foolscap, and nothing is said to be saved that is not.',
    aspects: ['status', 'body'],
    steps: ['the node: POST /report_incident?details=a%20test'],
  },
  {
    reason: 'The icon is a drawing.',
    aspects: ['type'],
    steps: ['the node: GET /favicon.ico', 'the node: GET /icon.png'],
  },
  {
    reason: 'Browsers find the icon where they look for it.',
    aspects: ['status'],
    steps: ['the node: GET /favicon.ico'],
  },
  {
    reason: 'The icon comes in one piece.',
    aspects: ['accept-ranges'],
    steps: ['the node: GET /icon.png'],
  },
  {
    reason: 'Nothing can be written to pages.',
    aspects: ['status', 'body'],
    steps: [
      'the node: POST /',
      'the node: PUT /',
      'the node: DELETE /status',
      'the node: POST /status',
    ],
  },
  {
    reason: 'A name that leads to nothing is of no use.',
    aspects: ['status', 'body'],
    steps: ['link what is there: PUT /uri/<ln>/nothing?t=uri'],
  },
  {
    reason: 'Shares can be checked with no more than a cap to verify them.',
    aspects: ['status'],
    steps: [
      'check: POST /uri/<chk:verify>?t=check&output=JSON',
      'check: POST /uri/<chk:verify>?t=check&output=json&verify=true',
      'check: POST /uri/<chk:verify>?t=check',
      'check: POST /uri/<dir:verify>?t=check&output=JSON',
    ],
  },
  {
    reason: 'The results of such a check are JSON.',
    aspects: ['type'],
    steps: [
      'check: POST /uri/<chk:verify>?t=check&output=JSON',
      'check: POST /uri/<chk:verify>?t=check&output=json&verify=true',
      'check: POST /uri/<dir:verify>?t=check&output=JSON',
    ],
  },
  {
    reason: 'Upstream puts what was asked for into its page as markup.',
    aspects: ['body'],
    steps: [
      'strange names: GET /uri/<odd>/%3Cb%3E%20no%20such?t=json',
      'strange queries: GET /status/%3Cb%3E',
    ],
  },
  {
    reason: 'A name that ends in white space is one; upstream looks for what is before it alone.',
    aspects: ['status', 'body'],
    steps: ['strange names: POST /uri/<odd>?t=rename&from_name=two%0Alines%0D&to_name=one'],
  },
  {
    reason: 'A name that is not ASCII is given in both ways that browsers know.',
    aspects: ['content-disposition'],
    steps: ['strange names: GET /uri/<odd>/%E2%80%AEtxt.png?save=true'],
  },
  {
    reason: 'A name is text.',
    aspects: ['status', 'accept-ranges', 'etag', 'body'],
    steps: ['strange queries: GET /uri/<chk>?filename=%FF'],
  },
  {
    reason: 'What is no text is no cap.',
    aspects: ['body'],
    steps: ['strange queries: GET /uri/%FF'],
  },
  {
    reason: 'A path is taken as it stands; upstream passes over an empty part in front.',
    aspects: ['status', 'accept-ranges', 'etag', 'body'],
    steps: ['strange queries: GET //uri/<chk>'],
  },
  {
    reason: 'Nothing is below the results of an operation but those of its objects.',
    aspects: ['body'],
    steps: ['strange queries: GET /operations/a/b/c?output=JSON'],
  },
  {
    reason:
      'What is prohibited keeps what a cap says of it, such as its size; upstream makes it unlike any file.',
    aspects: ['body'],
    steps: [
      'what the node must not give: GET /uri/<prohibited>?t=json',
      'what the node must not give: GET /uri/<with-prohibited>?t=json',
      'what the node must not give: GET /uri/<with-prohibited>/prohibited?t=json',
      'what the node must not give: POST /uri/<with-prohibited>?t=stream-manifest',
      'what the node must not give: POST /uri/<with-prohibited>?t=stream-deep-check',
    ],
  },
  {
    reason: 'Upstream calls healthy what is prohibited, without a look.',
    aspects: ['status', 'body'],
    steps: ['what the node must not give: POST /uri/<prohibited>?t=check&output=JSON'],
  },
  {
    reason: 'Static files come in one piece.',
    aspects: ['accept-ranges'],
    steps: [
      'the node: GET /static/a%20page.html',
      'the node: HEAD /static/a%20page.html',
      'the node: GET /static/below/data.json',
    ],
  },
  {
    reason: 'Nothing can be written to static files.',
    aspects: ['status'],
    steps: ['the node: PUT /static/new.html'],
  },
  {
    reason: 'A download that has ended is finished; upstream calls it idle.',
    aspects: ['body'],
    steps: ['what was done last: GET /status?t=json'],
  },
  {
    reason: 'There are no events but those of the other lists.',
    aspects: ['body'],
    steps: [
      'what was done last: GET /status/down-0/event_json',
      'what was done last: GET /status/down-1/event_json',
    ],
  },
]
