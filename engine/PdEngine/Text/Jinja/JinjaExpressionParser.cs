namespace PdEngine;

/// <summary>Parses expressions, by jinja2's precedences.</summary>
internal sealed partial class JinjaExpressionParser
{
    private static readonly string[] NotAnArgument = ["else", "or", "and"];
    private readonly JinjaTokenStream _tokens;

    public JinjaExpressionParser(JinjaTokenStream tokens) => _tokens = tokens;

    /// <summary>Names read since this was set, so that a macro knows what its body reads.</summary>
    public HashSet<string> Mentions { get; set; } = new(StringComparer.Ordinal);

    /// <summary>
    /// Whether the tags around may never run: an unknown filter or test there fails only where it is
    /// reached, as in jinja2, since templates guard what other engines add.
    /// </summary>
    public bool IsGuarded { get; set; }

    /// <summary>True once an expression asks whether a message's content is none.</summary>
    public bool AsksForNullContent { get; private set; }

    public JinjaExpression Parse(bool withCondition = true)
    {
        _tokens.Enter();
        JinjaExpression value = ParseOr();
        while (withCondition && _tokens.AtName("if"))
        {
            int line = _tokens.Take().Line;
            JinjaExpression condition = ParseOr();
            JinjaExpression? otherwise = _tokens.TrySkipName("else") ? Parse() : null;
            value = new JinjaConditional(line, condition, value, otherwise);
        }
        _tokens.Leave();
        return value;
    }

    /// <summary>
    /// One expression, or a tuple where commas follow; ends with the tag or at <paramref name="end"/>.
    /// </summary>
    public JinjaExpression ParseTuple(bool withCondition = true, string? end = null, bool allowEmpty = false)
    {
        int line = _tokens.Line;
        List<JinjaExpression> items = [];
        bool isTuple = false;
        while (!AtTupleEnd(end))
        {
            items.Add(Parse(withCondition));
            if (!_tokens.TrySkipOperator(","))
                break;
            isTuple = true;
        }
        if (!isTuple && items.Count == 1)
            return items[0];
        if (items.Count == 0 && !allowEmpty)
            throw _tokens.Error($"expected an expression but found {_tokens.Current}");
        return new JinjaSequenceLiteral(line, [.. items], JinjaSequenceKind.Tuple);
    }

    /// <summary>
    /// Filters after a <c>|</c>, or the filters of a <c>filter</c> tag, on <paramref name="input"/>.
    /// </summary>
    public JinjaExpression ParseFilters(JinjaExpression input, bool startsInline = false)
    {
        while (startsInline || _tokens.AtOperator("|"))
        {
            if (!startsInline)
                _tokens.Take();
            startsInline = false;
            int line = _tokens.Line;
            string name = _tokens.ExpectName();
            JinjaFilter filter = JinjaFilters.Find(name) ?? MissingFilter(name, line);
            JinjaCallArguments arguments = _tokens.AtOperator("(")
                ? ParseArguments()
                : JinjaCallArguments.None;
            input = new JinjaFiltered(line, input, filter, arguments);
        }
        return input;
    }

    public JinjaCallArguments ParseArguments()
    {
        List<JinjaExpression> positional = [];
        List<KeyValuePair<string, JinjaExpression>> named = [];
        JinjaExpression? spread = null;
        JinjaExpression? namedSpread = null;
        _tokens.ExpectOperator("(");
        while (!_tokens.TrySkipOperator(")"))
        {
            if (namedSpread is not null)
                throw _tokens.Error("an argument follows '**'");
            if (_tokens.TrySkipOperator("**"))
            {
                namedSpread = Parse();
            }
            else if (_tokens.TrySkipOperator("*"))
            {
                spread = spread is null ? Parse() : throw _tokens.Error("a call has two '*' arguments");
            }
            else if (_tokens.Current.Kind == JinjaTokenKind.Name
                && _tokens.Following.Is(JinjaTokenKind.Operator, "="))
            {
                string name = _tokens.ExpectName();
                _tokens.ExpectOperator("=");
                named.Add(new(name, Parse()));
            }
            else if (named.Count > 0 || spread is not null)
            {
                throw _tokens.Error("a positional argument follows a named one");
            }
            else
            {
                positional.Add(Parse());
            }
            if (!_tokens.AtOperator(")"))
                _tokens.ExpectOperator(",");
        }
        return new JinjaCallArguments([.. positional], named, spread, namedSpread);
    }

    private bool AtTupleEnd(string? end) =>
        _tokens.Current.Kind is JinjaTokenKind.TagEnd or JinjaTokenKind.PrintEnd
        || _tokens.AtOperator(")") || (end is not null && _tokens.AtName(end));

    private JinjaExpression ParseOr()
    {
        JinjaExpression left = ParseAnd();
        while (_tokens.AtName("or"))
            left = new JinjaLogical(_tokens.Take().Line, isAnd: false, left, ParseAnd());
        return left;
    }

    private JinjaExpression ParseAnd()
    {
        JinjaExpression left = ParseNot();
        while (_tokens.AtName("and"))
            left = new JinjaLogical(_tokens.Take().Line, isAnd: true, left, ParseNot());
        return left;
    }

    private JinjaExpression ParseNot()
    {
        if (!_tokens.AtName("not"))
            return ParseComparison();
        int line = _tokens.Take().Line;
        _tokens.Enter();
        JinjaExpression operand = ParseNot();
        _tokens.Leave();
        return new JinjaUnary(line, "not", operand);
    }

    private JinjaExpression ParseComparison()
    {
        int line = _tokens.Line;
        JinjaExpression first = ParseSum();
        List<KeyValuePair<string, JinjaExpression>> rest = [];
        JinjaExpression last = first;
        while (TryTakeComparison(out string operation))
        {
            JinjaExpression right = ParseSum();
            rest.Add(new(operation, right));
            AsksForNullContent |= operation is "==" or "!=" && ((IsNone(right) && IsContent(last))
                || (IsNone(last) && IsContent(right)));
            last = right;
        }
        return rest.Count == 0 ? first : new JinjaComparisonChain(line, first, rest);
    }

    private bool TryTakeComparison(out string operation)
    {
        JinjaToken token = _tokens.Current;
        operation = token.Text;
        if (token.Kind == JinjaTokenKind.Operator && operation is "==" or "!=" or "<" or "<=" or ">" or ">=")
        {
            _tokens.Take();
            return true;
        }
        if (_tokens.TrySkipName("in"))
            return true;
        if (!_tokens.AtName("not") || !_tokens.Following.Is(JinjaTokenKind.Name, "in"))
            return false;
        _tokens.Take();
        _tokens.Take();
        operation = "not in";
        return true;
    }

    private JinjaExpression ParseSum()
    {
        JinjaExpression left = ParseConcatenation();
        while (_tokens.AtOperator("+") || _tokens.AtOperator("-"))
        {
            JinjaToken operation = _tokens.Take();
            left = new JinjaBinary(operation.Line, operation.Text, left, ParseConcatenation());
        }
        return left;
    }

    private JinjaExpression ParseConcatenation()
    {
        int line = _tokens.Line;
        List<JinjaExpression> operands = [ParseProduct()];
        while (_tokens.TrySkipOperator("~"))
            operands.Add(ParseProduct());
        return operands.Count == 1 ? operands[0] : new JinjaConcatenation(line, [.. operands]);
    }

    private JinjaExpression ParseProduct()
    {
        JinjaExpression left = ParsePower();
        while (_tokens.AtOperator("*") || _tokens.AtOperator("/") || _tokens.AtOperator("//")
            || _tokens.AtOperator("%"))
        {
            JinjaToken operation = _tokens.Take();
            left = new JinjaBinary(operation.Line, operation.Text, left, ParsePower());
        }
        return left;
    }

    private JinjaExpression ParsePower()
    {
        JinjaExpression left = ParseUnary(withFilters: true);
        while (_tokens.AtOperator("**"))
            left = new JinjaBinary(_tokens.Take().Line, "**", left, ParseUnary(withFilters: true));
        return left;
    }

    private JinjaExpression ParseUnary(bool withFilters)
    {
        JinjaExpression value;
        if (_tokens.AtOperator("-") || _tokens.AtOperator("+"))
        {
            JinjaToken sign = _tokens.Take();
            _tokens.Enter();
            value = new JinjaUnary(sign.Line, sign.Text, ParseUnary(withFilters: false));
            _tokens.Leave();
        }
        else
        {
            value = ParsePrimary();
        }
        value = ParsePostfix(value);
        while (withFilters)
        {
            if (_tokens.AtOperator("|"))
                value = ParseFilters(value);
            else if (_tokens.AtName("is"))
                value = ParseTest(value);
            else if (_tokens.AtOperator("("))
                value = new JinjaCall(_tokens.Line, value, ParseArguments());
            else
                break;
        }
        return value;
    }

    private JinjaExpression ParsePostfix(JinjaExpression value)
    {
        while (true)
        {
            int line = _tokens.Line;
            if (_tokens.TrySkipOperator("."))
                value = ParseAttribute(line, value);
            else if (_tokens.TrySkipOperator("["))
                value = ParseSubscript(line, value);
            else if (_tokens.AtOperator("("))
                value = new JinjaCall(line, value, ParseArguments());
            else
                return value;
        }
    }

    private JinjaExpression ParseAttribute(int line, JinjaExpression value)
    {
        if (_tokens.Current.Kind == JinjaTokenKind.Number && _tokens.Current.Number.IsInteger)
            return new JinjaItem(line, value, new JinjaLiteral(line, _tokens.Take().Number));
        return new JinjaAttribute(line, value, _tokens.ExpectName());
    }

    private JinjaExpression ParseSubscript(int line, JinjaExpression value)
    {
        JinjaExpression? start = _tokens.AtOperator(":") ? null : Parse();
        if (start is not null && _tokens.TrySkipOperator("]"))
            return new JinjaItem(line, value, start);
        _tokens.ExpectOperator(":");
        JinjaExpression? stop = _tokens.AtOperator(":") || _tokens.AtOperator("]") ? null : Parse();
        JinjaExpression? step = _tokens.TrySkipOperator(":") && !_tokens.AtOperator("]") ? Parse() : null;
        _tokens.ExpectOperator("]");
        return new JinjaSlice(line, value, start, stop, step);
    }

    private JinjaExpression ParseTest(JinjaExpression value)
    {
        int line = _tokens.Take().Line;
        bool isNegated = _tokens.TrySkipName("not");
        string name = _tokens.ExpectName();
        JinjaTest test = JinjaTests.Find(name) ?? MissingTest(name, line);
        JinjaCallArguments arguments = JinjaCallArguments.None;
        if (_tokens.AtOperator("("))
            arguments = ParseArguments();
        else if (_tokens.AtName("is"))
            throw _tokens.Error("tests cannot be chained with 'is'; join them with 'and'");
        else if (StartsTestArgument())
            arguments = new JinjaCallArguments([ParsePostfix(ParsePrimary())], [], null, null);
        AsksForNullContent |= name == "none" && IsContent(value);
        JinjaExpression tested = new JinjaTested(line, value, test, arguments);
        return isNegated ? new JinjaUnary(line, "not", tested) : tested;
    }

    private JinjaFilter MissingFilter(string name, int line)
    {
        JinjaException problem = new($"there is no filter '{name}'", line);
        return IsGuarded ? (_, _, _) => throw problem : throw problem;
    }

    private JinjaTest MissingTest(string name, int line)
    {
        JinjaException problem = new($"there is no test '{name}'", line);
        return IsGuarded ? (_, _, _) => throw problem : throw problem;
    }

    private bool StartsTestArgument() => _tokens.Current.Kind switch
    {
        JinjaTokenKind.String or JinjaTokenKind.Number => true,
        JinjaTokenKind.Name => !NotAnArgument.Contains(_tokens.Current.Text),
        _ => _tokens.AtOperator("[") || _tokens.AtOperator("{"),
    };
}
