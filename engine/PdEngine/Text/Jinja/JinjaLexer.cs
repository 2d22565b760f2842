namespace PdEngine;

/// <summary>
/// Splits a template into text and tags. Whitespace follows jinja2 with <c>trim_blocks</c> and
/// <c>lstrip_blocks</c>: a tag eats the newline after it and the blanks before it on its own line;
/// <c>-</c> eats all whitespace on its side and <c>+</c> none.
/// </summary>
internal sealed class JinjaLexer
{
    private readonly string _source;
    private readonly List<JinjaToken> _tokens = [];
    private int _position;
    private int _line = 1;
    private bool _lineStarting = true;

    private JinjaLexer(string source) => _source = source;

    public static List<JinjaToken> Tokenize(string source)
    {
        source = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        if (source.EndsWith('\n'))
            source = source[..^1];
        JinjaLexer lexer = new(source);
        while (lexer._position < source.Length)
            lexer.ReadTextAndTag();
        lexer.Add(JinjaTokenKind.End, "");
        return lexer._tokens;
    }

    /// <summary>What Python takes for whitespace: .NET's set and four separators.</summary>
    public static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\x1c' and <= '\x1f';

    private void ReadTextAndTag()
    {
        int start = _source.AsSpan(_position).IndexOf('{');
        while (start >= 0 && !IsTagStart(_position + start))
        {
            int next = _source.AsSpan(_position + start + 1).IndexOf('{');
            start = next < 0 ? -1 : start + 1 + next;
        }
        if (start < 0)
        {
            AddText(_source[_position..]);
            _position = _source.Length;
            return;
        }
        int tag = _position + start;
        char kind = _source[tag + 1];
        char sign = SignAt(tag + 2);
        AddText(TrimBeforeTag(_source[_position..tag], sign, isPrint: kind == '{'));
        CountLines(_position, tag);
        _position = tag + 2 + (sign == '\0' ? 0 : 1);
        _lineStarting = false;
        if (kind == '#')
            SkipComment();
        else if (kind == '%' && TryEnterRaw(out int body))
            ReadRaw(body);
        else
            ReadTag(isPrint: kind == '{');
    }

    private bool IsTagStart(int at) => at + 1 < _source.Length && _source[at + 1] is '%' or '{' or '#';

    private char SignAt(int at) => at < _source.Length && _source[at] is '-' or '+' ? _source[at] : '\0';

    private string TrimBeforeTag(string text, char sign, bool isPrint)
    {
        if (sign == '-')
            return text[..TrimmedEnd(text)];
        if (sign == '+' || isPrint)
            return text;
        int lineStart = text.LastIndexOf('\n') + 1;
        bool ownLine = lineStart > 0 || _lineStarting;
        return ownLine && TrimmedEnd(text) <= lineStart ? text[..lineStart] : text;
    }

    private static int TrimmedEnd(string text)
    {
        int end = text.Length;
        while (end > 0 && IsSpace(text[end - 1]))
            end--;
        return end;
    }

    private void SkipComment()
    {
        int end = _source.IndexOf("#}", _position, StringComparison.Ordinal);
        if (end < 0)
            throw new JinjaException("this comment has no end '#}'", _line);
        char sign = end > _position ? SignAt(end - 1) : '\0';
        FinishTag(end + 2, sign, trimNewline: true);
    }

    private bool TryEnterRaw(out int body)
    {
        body = 0;
        int at = SkipWord(_position, "raw");
        if (at < 0)
            return false;
        bool strip = at < _source.Length && _source[at] == '-';
        if (strip)
            at++;
        if (!_source.AsSpan(at).StartsWith("%}"))
            return false;
        body = at + 2;
        while (strip && body < _source.Length && IsSpace(_source[body]))
            body++;
        return true;
    }

    private int SkipWord(int at, string word)
    {
        while (at < _source.Length && IsSpace(_source[at]))
            at++;
        if (!_source.AsSpan(at).StartsWith(word))
            return -1;
        at += word.Length;
        while (at < _source.Length && IsSpace(_source[at]))
            at++;
        return at;
    }

    private void ReadRaw(int body)
    {
        CountLines(_position, body);
        _position = body;
        _lineStarting = _source[body - 1] == '\n';
        int search = body;
        while (true)
        {
            int end = _source.IndexOf("{%", search, StringComparison.Ordinal);
            if (end < 0)
                throw new JinjaException("this 'raw' block has no 'endraw'", _line);
            search = end + 2;
            char sign = SignAt(search);
            int after = SkipWord(search + (sign == '\0' ? 0 : 1), "endraw");
            if (after < 0)
                continue;
            char closing = SignAt(after);
            after += closing == '\0' ? 0 : 1;
            if (!_source.AsSpan(after).StartsWith("%}"))
                continue;
            AddText(TrimBeforeTag(_source[body..end], sign, isPrint: false));
            FinishTag(after + 2, closing, trimNewline: true);
            return;
        }
    }

    private void ReadTag(bool isPrint)
    {
        Add(isPrint ? JinjaTokenKind.PrintStart : JinjaTokenKind.TagStart, "");
        JinjaTagLexer inner = new(_source, _position, _line, _tokens);
        while (!inner.AtEnd(isPrint))
            inner.ReadToken();
        CountLines(_position, inner.Position);
        _position = inner.Position;
        Add(isPrint ? JinjaTokenKind.PrintEnd : JinjaTokenKind.TagEnd, "");
        char sign = SignAt(_position);
        FinishTag(_position + 2 + (sign == '\0' ? 0 : 1), sign, trimNewline: !isPrint);
    }

    private void FinishTag(int end, char sign, bool trimNewline)
    {
        if (sign == '-')
        {
            while (end < _source.Length && IsSpace(_source[end]))
                end++;
        }
        else if (sign == '\0' && trimNewline && end < _source.Length && _source[end] == '\n')
        {
            end++;
        }
        CountLines(_position, end);
        _position = end;
        _lineStarting = _source[end - 1] == '\n';
    }

    private void AddText(string text)
    {
        if (text.Length > 0)
            Add(JinjaTokenKind.Text, text);
    }

    private void Add(JinjaTokenKind kind, string text) => _tokens.Add(new JinjaToken(kind, text, _line));

    private void CountLines(int from, int to) => _line += _source.AsSpan(from, to - from).Count('\n');
}
