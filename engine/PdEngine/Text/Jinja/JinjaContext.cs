using System.Runtime.CompilerServices;
using System.Text;

namespace PdEngine;

/// <summary>State of one rendering: scope, output, clock, and what may still be spent.</summary>
internal sealed class JinjaContext
{
    private const int ItemChars = 16;
    private readonly JinjaLimits _limits;
    private long _stepsLeft;
    private long _charsLeft;
    private int _depth;

    public JinjaContext(JinjaLimits limits, TimeProvider clock, JinjaScope globals)
    {
        _limits = limits;
        _stepsLeft = limits.Steps;
        _charsLeft = limits.Chars;
        Clock = clock;
        Scope = globals;
    }

    public TimeProvider Clock { get; }

    public JinjaScope Scope { get; set; }

    public StringBuilder Output { get; private set; } = new();

    /// <summary>Line of the template being evaluated, for messages.</summary>
    public int Line { get; private set; }

    public void Enter(int line)
    {
        Line = line;
        Charge(1);
        if (++_depth > JinjaLimits.EvaluationDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw new JinjaException($"evaluation nests more than {JinjaLimits.EvaluationDepth} deep");
    }

    public void Leave() => _depth--;

    public void Charge(long steps)
    {
        _stepsLeft -= steps;
        if (_stepsLeft < 0)
            throw new JinjaException(
                $"the template takes more than {_limits.Steps} steps for these messages");
    }

    /// <summary>Pays for text before it is made.</summary>
    public void ChargeChars(long chars)
    {
        _charsLeft -= chars;
        if (_charsLeft < 0)
        {
            throw new JinjaException(
                $"the template makes more than {_limits.Chars} characters of text for these messages");
        }
    }

    /// <summary>Pays for list items before they are made.</summary>
    public void ChargeItems(long count)
    {
        Charge(count);
        ChargeChars(count * ItemChars);
    }

    /// <summary>Pays for a search whose worst case is the product of both lengths.</summary>
    public void ChargeSearch(long textChars, long soughtChars) =>
        Charge((textChars / 16) + (textChars * Math.Min(soughtChars, textChars) / 256));

    /// <summary>A string value, paid for.</summary>
    public JinjaValue Text(string text)
    {
        ChargeChars(text.Length);
        return JinjaValue.String(text);
    }

    /// <summary>A list value, paid for.</summary>
    public JinjaValue List(JinjaValue[] items, JinjaSequenceKind kind = JinjaSequenceKind.List)
    {
        ChargeItems(items.Length);
        return JinjaValue.Sequence(items, kind);
    }

    public void Write(string text)
    {
        ChargeChars(text.Length);
        Output.Append(text);
    }

    /// <summary>Runs a body in a scope of its own and gives the text that it writes.</summary>
    public string Capture(JinjaScope scope, JinjaBlock body)
    {
        (StringBuilder output, JinjaScope outer) = (Output, Scope);
        Output = new StringBuilder();
        Scope = scope;
        body.Run(this);
        string text = Output.ToString();
        Output = output;
        Scope = outer;
        return text;
    }

    /// <summary>Items of a value in Python's iteration order.</summary>
    public JinjaValue[] Items(JinjaValue value)
    {
        switch (value.Kind)
        {
            case JinjaKind.Undefined:
                return [];
            case JinjaKind.Sequence:
                return value.AsSequence.TakeAll();
            case JinjaKind.Mapping:
                ChargeItems(value.AsMapping.Count);
                return value.AsMapping.Keys();
            case JinjaKind.String:
                ChargeItems(value.AsString.Length);
                return JinjaString.CodePoints(value.AsString);
            default:
                throw new JinjaException($"'{value.TypeName}' object is not iterable");
        }
    }
}
