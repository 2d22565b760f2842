using System.Collections.Frozen;

namespace PdEngine;

/// <summary>A test: what follows <c>is</c>.</summary>
internal delegate bool JinjaTest(JinjaContext context, JinjaValue value, JinjaArguments arguments);

/// <summary>The tests by name.</summary>
internal static class JinjaTests
{
    private static readonly FrozenDictionary<string, JinjaTest> ByName = new Dictionary<string, JinjaTest>
    {
        ["boolean"] = Plain(static value => value.Kind == JinjaKind.Boolean),
        ["callable"] = Plain(static value => value.Kind == JinjaKind.Object
            && value.AsObject is JinjaFunction),
        ["defined"] = Plain(static value => !value.IsUndefined),
        ["divisibleby"] = DivisibleBy,
        ["even"] = Plain(static value => Remainder(value, JinjaValue.Integer(2)) == 0),
        ["false"] = Plain(static value => value.Kind == JinjaKind.Boolean && !value.IsTrue),
        ["filter"] = Plain(static value => value.IsString && JinjaFilters.Find(value.AsString) is not null),
        ["float"] = Plain(static value => value.Kind == JinjaKind.Float),
        ["in"] = static (context, value, arguments) =>
            JinjaComparison.Contains(context, One(arguments), value),
        ["integer"] = Plain(static value => value.Kind == JinjaKind.Integer),
        ["iterable"] = Plain(IsIterable),
        ["lower"] = Plain(static value => HasCase(value, static text => text.ToLowerInvariant())),
        ["mapping"] = Plain(static value => value.Kind == JinjaKind.Mapping),
        ["none"] = Plain(static value => value.IsNone),
        ["number"] = Plain(static value => value.IsNumber),
        ["odd"] = Plain(static value => Remainder(value, JinjaValue.Integer(2)) == 1),
        ["sameas"] = static (context, value, arguments) => value.IsSame(One(arguments)),
        ["sequence"] = Plain(IsSequence),
        ["string"] = Plain(static value => value.IsString),
        ["test"] = Plain(static value => value.IsString && Find(value.AsString) is not null),
        ["true"] = Plain(static value => value.Kind == JinjaKind.Boolean && value.IsTrue),
        ["undefined"] = Plain(static value => value.IsUndefined),
        ["upper"] = Plain(static value => HasCase(value, static text => text.ToUpperInvariant())),
        ["=="] = AreEqual,
        ["eq"] = AreEqual,
        ["equalto"] = AreEqual,
        ["!="] = AreDifferent,
        ["ne"] = AreDifferent,
        ["<"] = Ordered("<"),
        ["lt"] = Ordered("<"),
        ["lessthan"] = Ordered("<"),
        ["<="] = Ordered("<="),
        ["le"] = Ordered("<="),
        [">"] = Ordered(">"),
        ["gt"] = Ordered(">"),
        ["greaterthan"] = Ordered(">"),
        [">="] = Ordered(">="),
        ["ge"] = Ordered(">="),
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The test of that name, or null.</summary>
    public static JinjaTest? Find(string name) => ByName.GetValueOrDefault(name);

    private static JinjaTest Plain(Func<JinjaValue, bool> holds) => (context, value, arguments) =>
    {
        arguments.Bind("this test");
        return holds(value);
    };

    private static JinjaTest Ordered(string operation) => (context, value, arguments) =>
        JinjaComparison.AreOrdered(context, operation, value, One(arguments));

    private static bool AreEqual(JinjaContext context, JinjaValue value, JinjaArguments arguments) =>
        JinjaComparison.AreEqual(context, value, One(arguments));

    private static bool AreDifferent(JinjaContext context, JinjaValue value, JinjaArguments arguments) =>
        !JinjaComparison.AreEqual(context, value, One(arguments));

    private static bool DivisibleBy(JinjaContext context, JinjaValue value, JinjaArguments arguments) =>
        Remainder(value, One(arguments)) == 0;

    private static double Remainder(JinjaValue value, JinjaValue divisor)
    {
        if (value.IsUndefined)
            throw value.UndefinedError();
        if (!value.IsNumber || !divisor.IsNumber)
            throw new JinjaException(
                $"a remainder needs numbers, not '{value.TypeName}' and '{divisor.TypeName}'");
        if (divisor.AsDouble == 0)
            throw new JinjaException("integer division or modulo by zero");
        if (!value.IsInteger || !divisor.IsInteger)
            return Math.Abs(value.AsDouble % divisor.AsDouble);
        return (double)System.Numerics.BigInteger.Abs(value.AsInteger % divisor.AsInteger);
    }

    private static JinjaValue One(JinjaArguments arguments)
    {
        if (arguments.Positional.Count != 1 || arguments.Named.Count > 0)
            throw new JinjaException($"this test takes one argument, not {arguments.Positional.Count}");
        return arguments.Positional[0];
    }

    private static bool IsIterable(JinjaValue value) =>
        value.Kind is JinjaKind.String or JinjaKind.Sequence or JinjaKind.Mapping or JinjaKind.Undefined;

    private static bool IsSequence(JinjaValue value) =>
        value.Kind is JinjaKind.String or JinjaKind.Mapping or JinjaKind.Undefined
        || (value.Kind == JinjaKind.Sequence && value.AsSequence.IsIndexable);

    private static bool HasCase(JinjaValue value, Func<string, string> map)
    {
        if (!value.IsString)
            return false;
        string text = value.AsString;
        return map(text) == text && text.Any(char.IsLetter);
    }
}
