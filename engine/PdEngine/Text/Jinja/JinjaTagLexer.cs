using System.Globalization;
using System.Numerics;
using System.Text;

namespace PdEngine;

/// <summary>Reads names, literals and operators inside one tag.</summary>
internal sealed class JinjaTagLexer
{
    private static readonly string[] LongOperators = ["//", "**", "==", "!=", "<=", ">="];
    private readonly string _source;
    private readonly List<JinjaToken> _tokens;
    private readonly Stack<char> _open = new();
    private int _line;

    public JinjaTagLexer(string source, int position, int line, List<JinjaToken> tokens)
    {
        _source = source;
        Position = position;
        _line = line;
        _tokens = tokens;
    }

    public int Position { get; private set; }

    /// <summary>
    /// True where the tag ends here; brackets hide an end, so <c>{{ {"a": {}} }}</c> is one tag.
    /// </summary>
    public bool AtEnd(bool isPrint)
    {
        while (Position < _source.Length && JinjaLexer.IsSpace(_source[Position]))
        {
            if (_source[Position] == '\n')
                _line++;
            Position++;
        }
        if (Position >= _source.Length)
            throw new JinjaException($"this tag has no end '{(isPrint ? "}}" : "%}")}'", _line);
        if (_open.Count > 0)
            return false;
        ReadOnlySpan<char> rest = _source.AsSpan(Position);
        if (rest[0] == '-' || (rest[0] == '+' && !isPrint))
            rest = rest[1..];
        return rest.StartsWith(isPrint ? "}}" : "%}");
    }

    public void ReadToken()
    {
        char c = _source[Position];
        if (char.IsAsciiDigit(c))
            ReadNumber();
        else if (c == '_' || char.IsLetter(c))
            ReadName();
        else if (c is '\'' or '"')
            ReadString(c);
        else
            ReadOperator(c);
    }

    private void ReadName()
    {
        int end = Position;
        while (end < _source.Length && (_source[end] == '_' || char.IsLetterOrDigit(_source[end])))
            end++;
        if (end - Position > JinjaLimits.NameChars)
            throw new JinjaException($"a name has more than {JinjaLimits.NameChars} characters", _line);
        Add(JinjaTokenKind.Name, _source[Position..end]);
        Position = end;
    }

    private void ReadNumber()
    {
        int start = Position;
        bool afterDot = start > 0 && _source[start - 1] == '.';
        if (_source[start] == '0' && start + 1 < _source.Length && _source[start + 1] is 'x' or 'o' or 'b')
        {
            ReadRadix(_source[start + 1]);
            return;
        }
        int end = SkipDigits(start);
        bool isFloat = false;
        if (!afterDot && end + 1 < _source.Length && _source[end] == '.'
            && char.IsAsciiDigit(_source[end + 1]))
        {
            end = SkipDigits(end + 1);
            isFloat = true;
        }
        if (!afterDot && end < _source.Length && _source[end] is 'e' or 'E')
        {
            int exponent = end + 1;
            if (exponent < _source.Length && _source[exponent] is '+' or '-')
                exponent++;
            if (exponent < _source.Length && char.IsAsciiDigit(_source[exponent]))
            {
                end = SkipDigits(exponent);
                isFloat = true;
            }
        }
        string digits = _source[start..end].Replace("_", "", StringComparison.Ordinal);
        if (digits.Length > 4300)
            throw new JinjaException("a number has more than 4300 digits", _line);
        JinjaValue value = isFloat
            ? JinjaValue.Float(double.Parse(digits, CultureInfo.InvariantCulture))
            : JinjaValue.Integer(BigInteger.Parse(digits, CultureInfo.InvariantCulture));
        _tokens.Add(new JinjaToken(JinjaTokenKind.Number, digits, _line, value));
        Position = end;
    }

    private void ReadRadix(char mark)
    {
        int radix = mark == 'x' ? 16 : mark == 'o' ? 8 : 2;
        int end = Position + 2;
        long value = 0;
        for (; end < _source.Length && char.IsAsciiHexDigit(_source[end]); end++)
        {
            int digit = Convert.ToInt32(_source[end].ToString(), 16);
            if (digit >= radix || value > (long.MaxValue >> 4))
                throw new JinjaException("a number is malformed or too large", _line);
            value = (value * radix) + digit;
        }
        if (end == Position + 2)
            throw new JinjaException("a number is malformed", _line);
        _tokens.Add(
            new JinjaToken(JinjaTokenKind.Number, _source[Position..end], _line, JinjaValue.Integer(value)));
        Position = end;
    }

    private int SkipDigits(int at)
    {
        while (at < _source.Length && (char.IsAsciiDigit(_source[at])
            || (_source[at] == '_' && at + 1 < _source.Length && char.IsAsciiDigit(_source[at + 1]))))
            at++;
        return at;
    }

    private void ReadString(char quote)
    {
        int line = _line;
        StringBuilder text = new();
        int at = Position + 1;
        while (at < _source.Length && _source[at] != quote)
        {
            if (_source[at] == '\n')
                _line++;
            if (_source[at] == '\\' && at + 1 < _source.Length)
                at = ReadEscape(at + 1, text);
            else
                text.Append(_source[at++]);
        }
        if (at >= _source.Length)
            throw new JinjaException("this string has no end", line);
        _tokens.Add(new JinjaToken(JinjaTokenKind.String, text.ToString(), line));
        Position = at + 1;
    }

    private int ReadEscape(int at, StringBuilder text)
    {
        const string Marks = "abfnrtv\\'\"";
        const string Meanings = "\a\b\f\n\r\t\v\\'\"";
        char c = _source[at];
        int known = Marks.IndexOf(c, StringComparison.Ordinal);
        if (known >= 0)
        {
            text.Append(Meanings[known]);
            return at + 1;
        }
        switch (c)
        {
            case '\n':
                _line++;
                return at + 1;
            case 'x':
                return ReadHex(at + 1, 2, text);
            case 'u':
                return ReadHex(at + 1, 4, text);
            case 'U':
                return ReadHex(at + 1, 8, text);
            case 'N':
                throw new JinjaException(@"'\N{...}' is not supported in a string", _line);
            case >= '0' and <= '7':
                int value = 0;
                int end = at;
                while (end < _source.Length && end < at + 3 && _source[end] is >= '0' and <= '7')
                    value = (value * 8) + (_source[end++] - '0');
                text.Append((char)value);
                return end;
            default:
                text.Append('\\').Append(c);
                return at + 1;
        }
    }

    private int ReadHex(int at, int digitCount, StringBuilder text)
    {
        if (at + digitCount > _source.Length || !uint.TryParse(
            _source.AsSpan(at, digitCount), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture,
            out uint code)
            || code > 0x10FFFF)
            throw new JinjaException("a string has a malformed escape", _line);
        if (code < 0x10000)
            text.Append((char)code);
        else
            text.Append(char.ConvertFromUtf32((int)code));
        return at + digitCount;
    }

    private void ReadOperator(char c)
    {
        foreach (string candidate in LongOperators)
        {
            if (!_source.AsSpan(Position).StartsWith(candidate))
                continue;
            Add(JinjaTokenKind.Operator, candidate);
            Position += 2;
            return;
        }
        if (!"+-*/%~[](){}<>=.:|,;".Contains(c, StringComparison.Ordinal))
            throw new JinjaException($"unexpected character '{c}'", _line);
        if (c is '(' or '[' or '{')
            _open.Push(c == '(' ? ')' : c == '[' ? ']' : '}');
        else if (c is ')' or ']' or '}' && (_open.Count == 0 || _open.Pop() != c))
            throw new JinjaException($"unexpected '{c}'", _line);
        Add(JinjaTokenKind.Operator, c.ToString());
        Position++;
    }

    private void Add(JinjaTokenKind kind, string text) => _tokens.Add(new JinjaToken(kind, text, _line));
}
