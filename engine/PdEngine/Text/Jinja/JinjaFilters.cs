using System.Collections.Frozen;

namespace PdEngine;

/// <summary>A filter: a value and further arguments in, a value out.</summary>
internal delegate JinjaValue JinjaFilter(JinjaContext context, JinjaValue value, JinjaArguments arguments);

/// <summary>The filters by name.</summary>
internal static class JinjaFilters
{
    private static readonly FrozenDictionary<string, JinjaFilter> ByName = new Dictionary<string, JinjaFilter>
    {
        ["abs"] = JinjaNumberFilters.Abs,
        ["attr"] = JinjaListFilters.Attr,
        ["capitalize"] = JinjaTextFilters.Capitalize,
        ["count"] = Length,
        ["d"] = Default,
        ["default"] = Default,
        ["dictsort"] = JinjaSortFilters.DictSort,
        ["e"] = JinjaTextFilters.Escape,
        ["escape"] = JinjaTextFilters.Escape,
        ["first"] = JinjaListFilters.First,
        ["float"] = JinjaNumberFilters.Float,
        ["format"] = JinjaTextFilters.Format,
        ["indent"] = JinjaTextFilters.Indent,
        ["int"] = JinjaNumberFilters.Int,
        ["items"] = JinjaListFilters.Items,
        ["join"] = JinjaListFilters.Join,
        ["last"] = JinjaListFilters.Last,
        ["length"] = Length,
        ["list"] = JinjaListFilters.List,
        ["lower"] = JinjaTextFilters.Lower,
        ["map"] = JinjaListFilters.Map,
        ["max"] = JinjaSortFilters.Max,
        ["min"] = JinjaSortFilters.Min,
        ["reject"] = JinjaSelectFilters.Reject,
        ["rejectattr"] = JinjaSelectFilters.RejectAttr,
        ["replace"] = JinjaTextFilters.Replace,
        ["reverse"] = JinjaListFilters.Reverse,
        ["round"] = JinjaNumberFilters.Round,
        ["safe"] = JinjaTextFilters.Safe,
        ["select"] = JinjaSelectFilters.Select,
        ["selectattr"] = JinjaSelectFilters.SelectAttr,
        ["sort"] = JinjaSortFilters.Sort,
        ["string"] = JinjaTextFilters.String,
        ["sum"] = JinjaNumberFilters.Sum,
        ["title"] = JinjaTextFilters.Title,
        ["tojson"] = JinjaTextFilters.ToJson,
        ["trim"] = JinjaTextFilters.Trim,
        ["unique"] = JinjaSortFilters.Unique,
        ["upper"] = JinjaTextFilters.Upper,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The filter of that name, or null.</summary>
    public static JinjaFilter? Find(string name) => ByName.GetValueOrDefault(name);

    public static JinjaValue Length(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        arguments.Bind("length");
        switch (value.Kind)
        {
            case JinjaKind.Undefined:
                return JinjaValue.Integer(0);
            case JinjaKind.String:
                context.Charge(value.AsString.Length / 16);
                return JinjaValue.Integer(JinjaString.Length(value.AsString));
            case JinjaKind.Mapping:
                return JinjaValue.Integer(value.AsMapping.Count);
            case JinjaKind.Sequence when value.AsSequence.Kind != JinjaSequenceKind.Generator:
                return JinjaValue.Integer(value.AsSequence.Items.Length);
            default:
                throw new JinjaException($"object of type '{value.TypeName}' has no len()");
        }
    }

    private static JinjaValue Default(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("default", "default_value", "boolean");
        bool isAbsent = value.IsUndefined || (bound[1] is { IsTrue: true } && !value.IsTrue);
        return isAbsent ? bound[0] ?? JinjaValue.String("") : value;
    }
}
