namespace PdEngine;

/// <summary>Arithmetic on two values.</summary>
internal sealed class JinjaBinary(int line, string operation, JinjaExpression left, JinjaExpression right)
    : JinjaExpression(line)
{
    protected override JinjaValue Compute(JinjaContext context) =>
        JinjaNumbers.Binary(context, operation, left.Evaluate(context), right.Evaluate(context));
}

/// <summary>Minus, plus or <c>not</c>.</summary>
internal sealed class JinjaUnary(int line, string operation, JinjaExpression operand) : JinjaExpression(line)
{
    protected override JinjaValue Compute(JinjaContext context)
    {
        JinjaValue value = operand.Evaluate(context);
        if (operation == "not")
            return JinjaValue.Boolean(!value.IsTrue);
        JinjaValue negated = JinjaNumbers.Negate(value);
        return operation == "-" ? negated : JinjaNumbers.Negate(negated);
    }
}

/// <summary><c>and</c> or <c>or</c>: gives the operand that decides, as Python does.</summary>
internal sealed class JinjaLogical(int line, bool isAnd, JinjaExpression left, JinjaExpression right)
    : JinjaExpression(line)
{
    protected override JinjaValue Compute(JinjaContext context)
    {
        JinjaValue first = left.Evaluate(context);
        return first.IsTrue == isAnd ? right.Evaluate(context) : first;
    }
}

/// <summary>Strings of all operands, joined.</summary>
internal sealed class JinjaConcatenation(int line, JinjaExpression[] operands) : JinjaExpression(line)
{
    protected override JinjaValue Compute(JinjaContext context)
    {
        string[] parts = new string[operands.Length];
        for (int index = 0; index < parts.Length; index++)
        {
            parts[index] = JinjaText.Of(context, operands[index].Evaluate(context));
            context.ChargeChars(parts[index].Length);
        }
        return JinjaValue.String(string.Concat(parts));
    }
}

/// <summary>
/// A chain of comparisons: each holds between its neighbours, and the first that fails ends it.
/// </summary>
internal sealed class JinjaComparisonChain(
    int line, JinjaExpression first, IReadOnlyList<KeyValuePair<string, JinjaExpression>> rest)
    : JinjaExpression(line)
{
    protected override JinjaValue Compute(JinjaContext context)
    {
        JinjaValue left = first.Evaluate(context);
        foreach (KeyValuePair<string, JinjaExpression> link in rest)
        {
            JinjaValue right = link.Value.Evaluate(context);
            if (!Holds(context, link.Key, left, right))
                return JinjaValue.False;
            left = right;
        }
        return JinjaValue.True;
    }

    private static bool Holds(JinjaContext context, string operation, JinjaValue left, JinjaValue right) =>
        operation switch
        {
            "==" => JinjaComparison.AreEqual(context, left, right),
            "!=" => !JinjaComparison.AreEqual(context, left, right),
            "in" => JinjaComparison.Contains(context, right, left),
            "not in" => !JinjaComparison.Contains(context, right, left),
            _ => JinjaComparison.AreOrdered(context, operation, left, right),
        };
}

/// <summary>
/// <c>a if condition else b</c>; undefined where the condition fails and there is no <c>else</c>.
/// </summary>
internal sealed class JinjaConditional(
    int line, JinjaExpression condition, JinjaExpression then, JinjaExpression? otherwise)
    : JinjaExpression(line)
{
    protected override JinjaValue Compute(JinjaContext context) =>
        condition.Evaluate(context).IsTrue ? then.Evaluate(context)
        : otherwise is not null ? otherwise.Evaluate(context)
        : JinjaValue.Undefined("the inline 'if' has no 'else' and its condition does not hold");
}
