terraform {
  required_providers {
    coder = { source = "coder/coder", version = ">= 2.5" }
  }
}

data "coder_parameter" "instance_type" {
  name    = "instance_type"
  default = "small"
}

# One warm workspace around the clock, six while Berlin works.
data "coder_workspace_preset" "goland" {
  name    = "goland"
  default = true
  parameters = {
    (data.coder_parameter.instance_type.name) = "large"
  }
  prebuilds {
    instances = 1
    expiration_policy {
      ttl = 86400
    }
    scheduling {
      timezone = "Europe/Berlin"
      schedule {
        cron      = "* 7-17 * * 1-5"
        instances = 6
      }
    }
  }
}
