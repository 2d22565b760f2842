namespace PdEngine;

/// <summary>Text between tags.</summary>
internal sealed class JinjaTextStatement(int line, string text) : JinjaStatement(line)
{
    protected override JinjaFlow Execute(JinjaContext context)
    {
        context.Write(text);
        return JinjaFlow.Next;
    }
}

/// <summary>An expression whose text is written.</summary>
internal sealed class JinjaPrint(int line, JinjaExpression value) : JinjaStatement(line)
{
    protected override JinjaFlow Execute(JinjaContext context)
    {
        context.Write(JinjaText.Of(context, value.Evaluate(context)));
        return JinjaFlow.Next;
    }
}

/// <summary><c>if</c>, its <c>elif</c> branches and its <c>else</c>; names set inside stay set.</summary>
internal sealed class JinjaIf(
    int line, IReadOnlyList<KeyValuePair<JinjaExpression, JinjaBlock>> branches, JinjaBlock? otherwise)
    : JinjaStatement(line)
{
    protected override JinjaFlow Execute(JinjaContext context)
    {
        foreach (KeyValuePair<JinjaExpression, JinjaBlock> branch in branches)
        {
            if (branch.Key.Evaluate(context).IsTrue)
                return branch.Value.Run(context);
        }
        return otherwise?.Run(context) ?? JinjaFlow.Next;
    }
}

/// <summary><c>set target = value</c>; the value may be the text of a body.</summary>
internal sealed class JinjaSet(int line, JinjaTarget target, JinjaExpression value) : JinjaStatement(line)
{
    protected override JinjaFlow Execute(JinjaContext context)
    {
        target.Assign(context, context.Scope, value.Evaluate(context));
        return JinjaFlow.Next;
    }
}

/// <summary><c>break</c> or <c>continue</c>.</summary>
internal sealed class JinjaJump(int line, JinjaFlow flow) : JinjaStatement(line)
{
    protected override JinjaFlow Execute(JinjaContext context) => flow;
}

/// <summary><c>with</c> and <c>generation</c>: a body with names of its own.</summary>
internal sealed class JinjaWith(
    int line, IReadOnlyList<KeyValuePair<JinjaTarget, JinjaExpression>> names, JinjaBlock body)
    : JinjaStatement(line)
{
    protected override JinjaFlow Execute(JinjaContext context)
    {
        JinjaScope scope = new(context.Scope);
        foreach (KeyValuePair<JinjaTarget, JinjaExpression> name in names)
            name.Key.Assign(context, scope, name.Value.Evaluate(context));
        return body.RunScoped(context, scope);
    }
}

/// <summary><c>macro</c>: makes a function of the body.</summary>
internal sealed class JinjaMacroStatement(int line, JinjaMacro macro) : JinjaStatement(line)
{
    protected override JinjaFlow Execute(JinjaContext context)
    {
        context.Scope.Set(macro.Name, JinjaValue.Object(macro.Bind(context.Scope)));
        return JinjaFlow.Next;
    }
}

/// <summary><c>call</c>: calls a macro that can call the body back.</summary>
internal sealed class JinjaCallStatement(int line, JinjaCall call, JinjaMacro body) : JinjaStatement(line)
{
    protected override JinjaFlow Execute(JinjaContext context)
    {
        context.Write(JinjaText.Of(context, call.Call(context, body.Bind(context.Scope))));
        return JinjaFlow.Next;
    }
}
