terraform {
  required_providers {
    coder = { source = "coder/coder", version = ">= 2.5" }
  }
}

data "coder_parameter" "instance_type" {
  name    = "instance_type"
  default = "small"
}

# Two warm workspaces around the clock, eight while people work.
data "coder_workspace_preset" "goland_large" {
  name        = "goland-large"
  description = "GoLand on 8 cores"
  default     = true
  parameters = {
    (data.coder_parameter.instance_type.name) = "large"
  }
  prebuilds {
    instances = 2
    expiration_policy {
      ttl = 28800
    }
    scheduling {
      timezone = "America/New_York"
      schedule {
        cron      = "* 9-17 * * 1-5"
        instances = 8
      }
    }
  }
}
